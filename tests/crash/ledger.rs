//! What clients know: what was acknowledged to them, and what they were waiting for when the program was killed.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::task::JoinHandle;

/// What a kill found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found {
    /// Appends that had been written and were not acknowledged.
    pub written: usize,
    /// Appends that had been sent and were not written.
    pub unwritten: usize,
}

#[derive(Default)]
struct Pages {
    /// By run: the texts at the sequences that were acknowledged.
    kept: BTreeMap<String, BTreeMap<u64, String>>,
    /// Runs that somebody waits for.
    runs: Vec<String>,
    readers: Vec<JoinHandle<(String, Vec<String>)>>,
    kills: Vec<Found>,
    acknowledged: usize,
    closed: bool,
}

/// All clients' knowledge. Cheap to clone.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Pages>>);

impl Ledger {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run was started, and this reader follows it.
    pub fn started(&self, run: &str, reader: JoinHandle<(String, Vec<String>)>) {
        let mut pages = self.pages();
        pages.runs.push(run.to_owned());
        pages.readers.push(reader);
    }

    /// All who read.
    pub fn readers(&self) -> Vec<JoinHandle<(String, Vec<String>)>> {
        std::mem::take(&mut self.pages().readers)
    }

    pub fn runs(&self) -> Vec<String> {
        self.pages().runs.clone()
    }

    /// Texts of a run were acknowledged, up to this sequence.
    pub fn acknowledged(&self, run: &str, texts: &[String], last: u64) {
        let mut pages = self.pages();
        pages.acknowledged += 1;
        let kept = pages.kept.entry(run.to_owned()).or_default();
        for (text, sequence) in texts.iter().rev().zip((0..=last).rev()) {
            kept.insert(sequence, text.clone());
        }
    }

    /// What was acknowledged of a run.
    pub fn kept(&self, run: &str) -> BTreeMap<u64, String> {
        self.pages().kept.get(run).cloned().unwrap_or_default()
    }

    /// The program was killed.
    pub fn killed(&self) {
        self.pages().kills.push(Found::default());
    }

    /// An append whose answer the last kill took away was written, or was not.
    pub fn found(&self, written: bool) {
        if let Some(kill) = self.pages().kills.last_mut() {
            *(if written { &mut kill.written } else { &mut kill.unwritten }) += 1;
        }
    }

    /// No more runs are to be started.
    pub fn no_more(&self) {
        self.pages().closed = true;
    }

    pub fn is_closed(&self) -> bool {
        self.pages().closed
    }

    /// What the kills found, in words, and how many fell between a write and its acknowledgement.
    pub fn told(&self) -> (String, usize) {
        let pages = self.pages();
        let most = pages.kills.iter().map(|found| found.written).max().unwrap_or(0);
        let mut told = format!(
            "  {} runs, {} appends acknowledged\n  appends that were written and not acknowledged, by kills:\n",
            pages.runs.len(),
            pages.acknowledged
        );
        for written in 0..=most {
            let kills = pages.kills.iter().filter(|found| found.written == written).count();
            let _ = writeln!(told, "  {written:>3} {kills:>4} {}", "#".repeat(kills.min(100)));
        }
        let sum = |of: fn(&Found) -> usize| pages.kills.iter().map(of).sum::<usize>();
        let (written, unwritten) = (sum(|found| found.written), sum(|found| found.unwritten));
        let _ = write!(told, "  in all {written} written and {unwritten} not yet");
        (told, pages.kills.iter().filter(|found| found.written > 0).count())
    }
}
