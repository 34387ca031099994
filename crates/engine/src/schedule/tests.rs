//! Tests of specs: their times, their canonical form, what is refused, and properties of all of them.

mod forms;
mod hostile;
mod kind;
mod properties;
mod recorded;
mod refusals;
mod times;
mod world;
mod zones;

use super::*;
use crate::duration::{SECOND_NS, from_ns};
use crate::env::timestamp;
use evertide_proto::schedule::{CalendarSpec, IntervalSpec, Range, ScheduleSpec, StructuredCalendarSpec};
use jiff::Timestamp;

/// A time in unix nanoseconds. Without a time of day it is midnight, UTC.
fn at(text: &str) -> i64 {
    let text = if text.contains('T') { format!("{text}Z") } else { format!("{text}T00:00:00Z") };
    text.parse::<Timestamp>().unwrap().as_nanosecond().try_into().unwrap()
}

fn shown(time_ns: i64) -> String {
    Timestamp::from_nanosecond(time_ns.into()).unwrap().to_string().trim_end_matches('Z').replace("T00:00:00", "")
}

fn compile(spec: &ScheduleSpec) -> Spec {
    Spec::compile(spec).unwrap_or_else(|error| panic!("{spec:?}: {error}"))
}

fn cron(lines: &[&str]) -> ScheduleSpec {
    ScheduleSpec { cron_string: lines.iter().map(ToString::to_string).collect(), ..Default::default() }
}

/// A calendar of texts, written `field value; field value`.
fn calendar(text: &str) -> CalendarSpec {
    let mut made = CalendarSpec::default();
    for (field, value) in text.split(';').filter_map(|part| part.trim().split_once(' ')) {
        *match field {
            "second" => &mut made.second,
            "minute" => &mut made.minute,
            "hour" => &mut made.hour,
            "day" => &mut made.day_of_month,
            "month" => &mut made.month,
            "year" => &mut made.year,
            "weekday" => &mut made.day_of_week,
            "comment" => &mut made.comment,
            other => panic!("no field {other}"),
        } = value.to_owned();
    }
    made
}

fn calendars(texts: &[&str]) -> ScheduleSpec {
    ScheduleSpec { calendar: texts.iter().map(|text| calendar(text)).collect(), ..Default::default() }
}

fn interval(interval_s: i64, phase_s: i64) -> IntervalSpec {
    let length = |seconds| prost_types::Duration { seconds, nanos: 0 };
    IntervalSpec { interval: Some(length(interval_s)), phase: (phase_s != 0).then(|| length(phase_s)) }
}

fn every(interval_s: i64, phase_s: i64) -> ScheduleSpec {
    ScheduleSpec { interval: vec![interval(interval_s, phase_s)], ..Default::default() }
}

fn in_zone(zone: &str, spec: ScheduleSpec) -> ScheduleSpec {
    ScheduleSpec { timezone_name: zone.to_owned(), ..spec }
}

/// The times behind the start to the end, which belongs to them.
fn times(spec: &ScheduleSpec, start: &str, end: &str) -> Vec<String> {
    let spec = compile(spec);
    let times = spec.times_after(at(start), "").map(Result::unwrap);
    times.take_while(|time| time.actual_ns <= at(end)).map(|time| shown(time.nominal_ns)).collect()
}
