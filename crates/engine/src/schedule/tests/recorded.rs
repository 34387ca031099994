//! The times of two hundred specs as the reference server has them.

use super::*;

/// Reads a spec: parts between ` & `, each a field of the spec and its value.
fn spec(text: &str) -> ScheduleSpec {
    let mut made = ScheduleSpec::default();
    for part in text.split(" & ") {
        let (field, value) = part.split_once(' ').unwrap_or((part, ""));
        match field {
            "cron" => made.cron_string.push(value.to_owned()),
            "calendar" => made.calendar.push(calendar(value)),
            "not" => made.exclude_calendar.push(calendar(value)),
            "zone" => made.timezone_name = value.to_owned(),
            "from" => made.start_time = Some(timestamp(at(value))),
            "to" => made.end_time = Some(timestamp(at(value))),
            "every" => {
                let (interval_s, phase_s) = value.split_once('+').unwrap_or((value, "0"));
                made.interval.push(interval(interval_s.parse().unwrap(), phase_s.parse().unwrap()));
            }
            other => panic!("no field {other}"),
        }
    }
    made
}

/// Reads times, in unix seconds.
fn recorded_times(text: &str) -> Vec<i64> {
    let mut times: Vec<i64> = Vec::new();
    for word in text.split_whitespace() {
        let Some(step) = word.strip_prefix('+') else {
            times.push(at(word) / SECOND_NS);
            continue;
        };
        let (seconds, count) = step.split_once('*').unwrap_or((step, "1"));
        for _ in 0..count.parse().unwrap() {
            times.push(times.last().unwrap() + seconds.parse::<i64>().unwrap());
        }
    }
    times
}

#[test]
fn times_are_those_of_the_reference() {
    const TIMES: usize = 20;
    let lines = include_str!("recorded.txt").lines().filter(|line| !line.starts_with('#'));
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in lines {
        let [text, start, times] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else { panic!("{line}") };
        let spec = compile(&spec(text));
        let found = spec.times_after(at(start), "").map_while(Result::ok).take(TIMES);
        let found: Vec<i64> = found.map(|time| time.nominal_ns / SECOND_NS).collect();
        let wanted = recorded_times(times);
        if found != wanted {
            let place = found.iter().zip(&wanted).position(|(found, wanted)| found != wanted);
            let place = place.unwrap_or(found.len().min(wanted.len()));
            let time = |times: &[i64]| times.get(place).map_or("none".to_owned(), |time_s| shown(time_s * SECOND_NS));
            wrong.push(format!(
                "{text} after {start}: {} rather than {} in place {place}",
                time(&found),
                time(&wanted)
            ));
        }
        count += 1;
    }
    assert!(count >= 200, "{count} specs");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
