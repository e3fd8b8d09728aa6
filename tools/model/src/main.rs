//! The protocol of many nodes on one database (docs/decisions/024-many-nodes.md), explored exhaustively.
//!
//! Nodes keep copies of persons. An operation runs on the copy and commits by compare-and-swap on the row's version;
//! swaps are gathered into statements, consents in a lane of their own that waits for the disk. The database may lose the
//! tail of what did not wait, answers may be lost, connections cut while a statement goes on, nodes restarted.
//!
//! `cargo run --release` explores the protocol, then six wrong ones, and prints how each fails.

mod protocol;

use std::env;
use std::time::Instant;

use protocol::{Budget, Flaw, Nodes};
use stateright::{Checker as _, HasDiscoveries, Model as _};

fn main() {
    let wide = env::args().any(|argument| argument == "--wide");
    let worlds: &[(&str, Budget)] = if wide { &[CRASH, CUTS, RESTART, BATCHES, WIDE] } else { &[CRASH, CUTS, RESTART, BATCHES] };
    for (name, budget) in worlds {
        let began = Instant::now();
        let checker = Nodes { budget: *budget, flaw: Flaw::None }.checker();
        let checker = checker.threads(1).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        println!(
            "{name}: {} states, {} different, depth {}, {:.0} s",
            checker.state_count(),
            checker.unique_state_count(),
            checker.max_depth(),
            began.elapsed().as_secs_f64(),
        );
        let found = checker.discoveries();
        for (property, path) in found.iter().filter(|(property, _)| !property.starts_with("sometimes")) {
            println!("not \"{property}\":");
            for (state, action) in path.clone().into_vec() {
                println!("{state}    {action:?}");
            }
            std::process::exit(1);
        }
        assert!(found.contains_key("sometimes an offer is presented"));
        assert_eq!(found.contains_key("sometimes a contact is lost"), budget.crashes > 0);
    }
    println!("all properties hold\n");
    for flaw in [Flaw::CounterAlone, Flaw::NoCheck, Flaw::FramesOfLosers, Flaw::EarlyGrant, Flaw::EarlyAnswer, Flaw::LateGrant] {
        let checker = Nodes { budget: CRASH.1, flaw }.checker();
        let checker = checker.threads(1).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let found = checker.discoveries();
        assert!(!found.is_empty(), "{flaw:?} is not refuted");
        for (property, path) in found.into_iter().filter(|(property, _)| !property.starts_with("sometimes")) {
            println!("{flaw:?}: not \"{property}\":");
            path.into_actions().iter().for_each(|action| println!("    {action:?}"));
        }
        println!();
    }
}

/// The database loses the tail of what did not wait.
const CRASH: (&str, Budget) = (
    "1 person, a crash",
    Budget { persons: 1, decide: 2, look: 1, grant: 1, withdraw: 1, crashes: 1, cuts: 0, restarts: 0 },
);
/// Answers are lost, and statements go on after their connection is cut.
const CUTS: (&str, Budget) = (
    "1 person, two cut connections",
    Budget { persons: 1, decide: 2, look: 0, grant: 1, withdraw: 1, crashes: 0, cuts: 2, restarts: 0 },
);
/// A node ends with statements under way.
const RESTART: (&str, Budget) = (
    "1 person, a restart and a crash",
    Budget { persons: 1, decide: 2, look: 1, grant: 0, withdraw: 1, crashes: 1, cuts: 0, restarts: 1 },
);
/// Two persons, so that a statement holds both.
const BATCHES: (&str, Budget) = (
    "2 persons, a cut connection",
    Budget { persons: 2, decide: 2, look: 0, grant: 0, withdraw: 1, crashes: 0, cuts: 1, restarts: 0 },
);
/// More of everything.
const WIDE: (&str, Budget) = (
    "1 person, 3 of each kind, a crash",
    Budget { persons: 1, decide: 3, look: 3, grant: 3, withdraw: 3, crashes: 1, cuts: 0, restarts: 0 },
);
