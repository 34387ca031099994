//! Runs many simulations and says which seeds went wrong: `evertide-sim [--from SEED] [--seeds COUNT]`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use evertide_sim::{Options, simulate};

fn main() -> Result<()> {
    let (mut from, mut count) = (0, 200);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{name} needs a number"))?;
        let value: u64 = value.parse().with_context(|| format!("{name} {value}: not a number"))?;
        match name.as_str() {
            "--from" => from = value,
            "--seeds" => count = value,
            _ => bail!("there is no {name}; there are --from SEED and --seeds COUNT"),
        }
    }
    let mut failed = Vec::new();
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    let mut events = 0;
    for seed in from..from + count {
        let report = simulate(Options::from_seed(seed))?;
        for (what, count) in report.done {
            *done.entry(what).or_default() += count;
        }
        events += report.events;
        if !report.faults.is_empty() {
            println!("seed {seed}: {:#?}", report.faults);
            failed.push(seed);
        }
    }
    println!("{count} seeds, {events} events; done: {done:?}");
    ensure!(failed.is_empty(), "{} seeds failed: {failed:?}", failed.len());
    Ok(())
}
