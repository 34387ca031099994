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
    let mut events = 0;
    let mut crashes = 0;
    for seed in seeds() {
        let options = Options::from_seed(seed);
        let report = simulate(options).expect("the store in memory takes what the server gives it");
        assert!(report.faults.is_empty(), "seed {seed}: {:#?}", report.faults);
        assert!(report.runs > 0 && report.events > 0, "seed {seed}: nothing has happened");
        let again = simulate(options).expect("the same simulation went well before");
        assert_eq!(report, again, "seed {seed}: the same seed made another world");
        events += report.events;
        crashes += report.crashes;
    }
    println!("{events} events, {crashes} crashes");
}
