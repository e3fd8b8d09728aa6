//! Behaviour from outside: the server over gRPC, the engine under random use, commands, golden decisions.
//!
//! One binary, so that it links once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should panic, wherever it stands"
)]

mod answers;
mod api;
mod asking_again;
mod backup;
mod broken;
mod callers;
mod canary;
mod cases;
mod client_commands;
mod clock;
mod cluster;
mod command_tree;
mod commands;
mod conformance;
mod consent;
mod consent_cases;
mod contract;
mod cut_off;
mod decision_log;
mod door;
mod editing;
mod expressions;
mod faults;
mod flips;
mod formats;
mod formatting;
mod golden;
mod histories;
mod ids;
mod importing;
mod index;
mod keeping;
mod kills;
mod late;
mod ledger;
mod ledger_commands;
mod limits;
mod load;
mod loading;
mod manual;
mod non_interference;
mod notices;
mod operations;
mod outcomes;
mod past_decisions;
mod postgres;
mod postgres_server;
mod printed;
mod privacy;
mod private_files;
mod proofs;
mod proxy;
mod quiet_year;
mod replay;
mod report;
mod rights;
mod rule_tests;
mod schemas;
mod semantics;
mod settling;
mod storm;
mod supervision;
mod support;
mod supposing;
mod takeover;
mod transport;
mod truncation;
mod versions;
mod watching;
mod web;
