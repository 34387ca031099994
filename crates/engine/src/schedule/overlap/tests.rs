use super::*;
use proptest::prelude::*;

const POLICIES: [Policy; 7] = [
    Policy::Unspecified,
    Policy::Skip,
    Policy::BufferOne,
    Policy::BufferAll,
    Policy::CancelOther,
    Policy::TerminateOther,
    Policy::AllowAll,
];

/// Starts at 1, 2, 3, … with these policies.
fn buffer(policies: &[Policy]) -> Vec<BufferedStart> {
    let at = |nominal_ns, policy: &Policy| BufferedStart {
        nominal_ns,
        actual_ns: nominal_ns,
        overlap_policy: (*policy).into(),
        manual: false,
    };
    (1..).zip(policies).map(|(nominal_ns, policy)| at(nominal_ns, policy)).collect()
}

/// What becomes of starts, as text: `+` started, `!` started whatever runs, `.` waits, `x` skipped, and what the one that
/// runs is asked for.
fn shown(policies: &[Policy], is_running: bool, schedule_policy: Policy) -> String {
    let resolved = resolve(buffer(policies), is_running, schedule_policy);
    let mut shown: String = (1..)
        .take(policies.len())
        .map(|time| {
            let holds = |starts: &[BufferedStart]| starts.iter().any(|start| start.nominal_ns == time);
            match time {
                _ if resolved.next.as_ref().is_some_and(|next| next.nominal_ns == time) => '+',
                _ if holds(&resolved.overlapping) => '!',
                _ if holds(&resolved.waiting) => '.',
                _ => 'x',
            }
        })
        .collect();
    if let Some(ending) = resolved.ending {
        shown.push_str(&format!(" {ending:?}"));
    }
    shown
}

#[test]
fn each_policy_has_its_way() {
    let table = [
        (Policy::Skip, "xxx", "+xx"),
        (Policy::BufferOne, ".xx", "+.x"),
        (Policy::BufferAll, "...", "+.."),
        (Policy::CancelOther, "... Cancel", "xx+"),
        (Policy::TerminateOther, "... Terminate", "xx+"),
        (Policy::AllowAll, "!!!", "!!!"),
    ];
    for (policy, beside_one, alone) in table {
        assert_eq!(shown(&[policy; 3], true, Policy::Skip), beside_one, "{policy:?} beside one that runs");
        assert_eq!(shown(&[policy; 3], false, Policy::Skip), alone, "{policy:?} alone");
        assert_eq!(shown(&[Policy::Unspecified; 3], true, policy), beside_one, "{policy:?} of the schedule");
    }
}

#[test]
fn policies_mix() {
    use Policy::{AllowAll, BufferAll, BufferOne, CancelOther, Skip, TerminateOther};
    assert_eq!(shown(&[BufferAll, BufferOne, Skip, AllowAll], true, Skip), ".xx!");
    assert_eq!(shown(&[TerminateOther, CancelOther], true, Skip), ".. Terminate");
    assert_eq!(shown(&[CancelOther, TerminateOther, BufferAll], true, Skip), "... Terminate");
    assert_eq!(shown(&[Skip, CancelOther, BufferAll], false, Skip), "x+.");
}

#[test]
fn a_schedule_without_a_policy_skips() {
    assert_eq!(policy_or_skip(0), Policy::Skip);
    assert_eq!(policy_or_skip(99), Policy::Skip);
    assert_eq!(policy_or_skip(Policy::BufferAll.into()), Policy::BufferAll);
}

proptest! {
    #[test]
    fn no_start_is_lost_or_doubled(
        policies in prop::collection::vec(prop::sample::select(&POLICIES[..]), 0..30),
        is_running: bool,
        schedule_policy in prop::sample::select(&POLICIES[1..]),
    ) {
        let resolved = resolve(buffer(&policies), is_running, schedule_policy);
        let next: Vec<_> = resolved.next.iter().cloned().collect();
        let kept = [&resolved.overlapping[..], &next, &resolved.waiting].concat();
        let times: std::collections::BTreeSet<i64> = kept.iter().map(|start| start.nominal_ns).collect();
        prop_assert_eq!(times.len(), kept.len());
        // What a newer start replaces is skipped as well, though the reference does not count it.
        prop_assert!(kept.len() + resolved.skipped as usize <= policies.len());
        prop_assert!(!is_running || resolved.next.is_none());
        prop_assert!(is_running || resolved.ending.is_none());
        prop_assert!(resolved.waiting.is_sorted_by_key(|start| start.nominal_ns));
    }
}
