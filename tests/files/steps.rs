//! The program is killed in front of each step of each kind of change.

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::{bytes::whole, changing::Client};
use crate::{
    support::steps::Fuse,
    worker::process::{Process, user},
};

/// A change of each kind.
const KINDS: u64 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_front_of_any_step_it_keeps_every_row_with_its_bytes() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path();
    let fuse = Fuse::new().await;
    let process = Process::serve(data).await;
    let amy = user(data, &process.base).await;
    let mut client = Client::new(0, &amy.project("Deaths").await);
    // So many that each path that can be moved and replaced is there.
    while client.step < KINDS * 17 {
        client.change(&amy).await.expect("an answer");
    }
    process.terminate().await;

    let mut died = BTreeMap::<String, usize>::new();
    for fatal in 1.. {
        let process = Process::serve_tied(data, &fuse).await;
        let amy = amy.at_base(&process.base);
        client.step = client.step.next_multiple_of(KINDS) - 1;
        fuse.light(fatal);
        let mut made = 0;
        while made < KINDS && client.change(&amy).await.is_some() {
            made += 1;
        }
        process.kill().await;
        whole(data).await;
        let Some(call) = fuse.renew() else {
            assert_eq!(made, KINDS, "step {fatal}: neither an answer nor a death");
            break;
        };
        *died.entry(call).or_default() += 1;
    }
    println!("died in front of {died:?}");
    for call in ["fsync", "linkat", "open64", "pwrite64", "send", "unlink", "write"] {
        assert!(died.contains_key(call), "{call} is among the steps: {died:?}");
    }

    let process = Process::serve(data).await;
    client.finds_all(&amy.at_base(&process.base)).await;
    process.kill().await;
}
