//! Simulations, each twice: what must hold holds, and equal seeds make equal worlds.
//!
//! `EVERTIDE_SIM_SEED=7` runs one seed, `EVERTIDE_SIM_SEEDS=1000` that many from 0 on.

use std::collections::BTreeMap;

use evertide_sim::{Options, Sabotage, simulate};

fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match (number("EVERTIDE_SIM_SEED"), number("EVERTIDE_SIM_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, count) => (0..count.unwrap_or(24)).collect(),
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_everything_ends() {
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    let seeds = seeds();
    for seed in &seeds {
        let options = Options::from_seed(*seed);
        let report = simulate(options).expect("the store takes what the server gives it");
        assert!(report.faults.is_empty(), "seed {seed}: {:#?}", report.faults);
        assert!(report.runs > 0 || options.retention_ns > 0, "seed {seed}: nothing has happened");
        let again = simulate(options).expect("the same simulation went well before");
        assert_eq!(report, again, "seed {seed}: the same seed made another world");
        let harm = [
            ("crash", report.crashes),
            ("failed commit", report.failed_commits),
            ("failed read", report.failed_reads),
            ("timeout", report.timeouts as u64),
        ];
        for (what, count) in harm {
            *done.entry(what).or_default() += usize::try_from(count).unwrap_or(0);
        }
        for (what, count) in report.done {
            *done.entry(what).or_default() += count;
        }
    }
    println!("{done:?}");
    if seeds.len() >= 24 {
        assert_eq!(done.len(), 26, "everything that clients and workers can do happens: {done:?}");
    }
}

#[test]
fn what_goes_wrong_on_purpose_is_found() {
    // What is lost may be something that nobody relies on, so not every seed finds it.
    let sabotages = [
        (Sabotage::LosesCommits, true),
        (Sabotage::KeepsDeletedRuns, true),
        (Sabotage::LosesSettings, true),
        (Sabotage::LosesWakes, true),
        (Sabotage::LosesBacklog, true),
        (Sabotage::ForgetsTasks, false),
        (Sabotage::AnswersStale, false),
    ];
    for (sabotage, faults) in sabotages {
        let sabotaged = |seed| Options { sabotage: Some(sabotage), faults, ..Options::from_seed(seed) };
        let is_found = |seed: &u64| simulate(sabotaged(*seed)).map_or(true, |report| !report.faults.is_empty());
        assert!((100..106).any(|seed| is_found(&seed)), "{sabotage:?} is not seen by any check");
    }
}
