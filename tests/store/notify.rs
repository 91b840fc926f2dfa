//! Notifications between the processes on a database.

use std::time::Duration;

use tokio::time::timeout;
use workroom::store::notify::{self, MOST_BYTES};

use crate::support::{on_postgres, on_sqlite};

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn what_one_sends_all_hear() {
    on_postgres(async |store| {
        let on = notify::of(&store).expect("PostgreSQL notifies");
        let mut notifier = notify::notifier(&on).await.expect("a connection");
        notify::send(&mut notifier, "to nobody").await.expect("sent");
        let mut hearers = [notify::hearer(&on).await.expect("one"), notify::hearer(&on).await.expect("another")];
        let most = "x".repeat(MOST_BYTES);
        for text in ["first", "second", "", &most, "last"] {
            notify::send(&mut notifier, text).await.expect("sent");
            for hearer in &mut hearers {
                let heard = timeout(PATIENCE, notify::next(hearer)).await.expect("in time");
                assert_eq!(heard.expect("the connection stands"), text);
            }
        }
        let too_much = notify::send(&mut notifier, &"x".repeat(8_000)).await;
        assert!(too_much.is_err());
        notify::hang_up(notifier).await;
        for hearer in hearers {
            notify::stop_hearing(hearer).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_database_for_one_process_has_no_notifications() {
    on_sqlite(async |store| assert!(notify::of(&store).is_none())).await;
}
