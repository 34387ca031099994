//! Simulations, each twice: what must hold holds, and equal seeds make equal worlds.
//!
//! `EVERTIDE_SIM_SEED=7` runs one seed, `EVERTIDE_SIM_SEEDS=1000` that many from 0 on.

use evertide_sim::{Options, simulate};

fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match (number("EVERTIDE_SIM_SEED"), number("EVERTIDE_SIM_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, count) => (0..count.unwrap_or(24)).collect(),
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_everything_ends() {
    let mut totals = [0, 0, 0, 0];
    for seed in seeds() {
        let options = Options::from_seed(seed);
        let report = simulate(options).expect("the store in memory takes what the server gives it");
        assert!(report.faults.is_empty(), "seed {seed}: {:#?}", report.faults);
        assert!(report.runs > 0 && report.events > 0, "seed {seed}: nothing has happened");
        let again = simulate(options).expect("the same simulation went well before");
        assert_eq!(report, again, "seed {seed}: the same seed made another world");
        let counts = [report.events, report.signals, report.updates, usize::try_from(report.crashes).unwrap_or(0)];
        totals = std::array::from_fn(|place| totals[place] + counts[place]);
    }
    let [events, signals, updates, crashes] = totals;
    println!("{events} events, {signals} signals, {updates} updates, {crashes} crashes");
}

#[test]
fn a_store_that_lies_is_found_out() {
    let lying = |seed| Options { lies: true, faults: true, ..Options::from_seed(seed) };
    // A lie about a commit that nobody relies on does no harm, so not every seed finds one.
    let found_out = (0..6).filter(|seed| simulate(lying(*seed)).map_or(true, |report| !report.faults.is_empty()));
    assert!(found_out.count() >= 3);
}
