//! Idempotency keys.

use uuid::Uuid;
use workroom::{
    clock,
    error::{Detail, Error, Kind, Result},
    store::{
        Store,
        idempotency::{self, Keyed},
    },
};

use super::fixture::{reading, unit, viewer};
use crate::support::on_both;

async fn claim(store: &Store, keyed: &Keyed, subject: Uuid) -> Result<Option<Uuid>> {
    unit!(store, [keyed] tx => idempotency::claim(tx, &keyed, subject, clock::now()).await)
}

async fn keyed(store: &Store) -> Keyed {
    let user_id = viewer(store, "ada").await.user_id();
    Keyed { user_id, operation: "startRun", key: "key 🗝".into(), fingerprint: vec![0, 1, 255] }
}

on_both! {
    async fn an_idempotency_key_answers_with_what_it_made_first(store: Store) {
        let keyed = keyed(&store).await;
        let (first, second) = (clock::new_id(), clock::new_id());
        assert_eq!(claim(&store, &keyed, first).await.expect("an answer"), None);
        assert_eq!(claim(&store, &keyed, second).await.expect("an answer"), Some(first));
        let other = Keyed { fingerprint: vec![0, 1], ..keyed.clone() };
        let mut conn = reading(&store).await;
        assert_eq!(idempotency::made(&mut conn, &keyed).await.expect("an answer"), Some(first));
        assert_eq!(idempotency::made(&mut conn, &other).await.expect("an answer"), None);
    }

    async fn an_idempotency_key_with_other_input_is_a_conflict(store: Store) {
        let keyed = keyed(&store).await;
        let before = clock::now();
        claim(&store, &keyed, clock::new_id()).await.expect("an answer");
        let other = Keyed { fingerprint: vec![0, 1], ..keyed };
        let error = claim(&store, &other, clock::new_id()).await.expect_err("a conflict");
        assert_eq!(error.kind(), Kind::Conflict);
        let Some(Detail::IdempotencyKey { first_request_at }) = error.detail() else { panic!("{error:?}") };
        assert!((before..=clock::now()).contains(first_request_at));
    }

    async fn an_idempotency_key_belongs_to_its_user_and_operation(store: Store) {
        let keyed = keyed(&store).await;
        claim(&store, &keyed, clock::new_id()).await.expect("an answer");
        let elsewhere = Keyed { operation: "createProject", ..keyed.clone() };
        assert_eq!(claim(&store, &elsewhere, clock::new_id()).await.expect("an answer"), None);
        let bobs = Keyed { user_id: viewer(&store, "bob").await.user_id(), ..keyed };
        assert_eq!(claim(&store, &bobs, clock::new_id()).await.expect("an answer"), None);
    }

    async fn an_idempotency_key_given_thirty_times_at_once_makes_one_thing(store: Store) {
        let keyed = keyed(&store).await;
        let subjects: Vec<Uuid> = (0..30).map(|_| clock::new_id()).collect();
        let claims = subjects.iter().map(|subject| claim(&store, &keyed, *subject));
        let answers: Vec<_> = futures_util::future::join_all(claims).await.into_iter().map(|a| a.expect("an answer")).collect();
        let makers: Vec<_> = subjects.iter().zip(&answers).filter(|(_, answer)| answer.is_none()).collect();
        let [(made, _)] = makers[..] else { panic!("{makers:?}") };
        assert!(answers.iter().flatten().all(|answer| answer == made));
    }

    async fn an_idempotency_key_of_a_failed_unit_is_free_again(store: Store) {
        let keyed = keyed(&store).await;
        let failed: Result<()> = unit!(store, [keyed] tx => {
            idempotency::claim(tx, &keyed, clock::new_id(), clock::now()).await?;
            Err(Error::conflict("refused later"))
        });
        assert!(failed.is_err());
        assert_eq!(claim(&store, &keyed, clock::new_id()).await.expect("an answer"), None);
    }

    async fn text_that_a_database_refuses_is_the_callers_fault(store: Store) {
        let keyed = Keyed { key: "a\0b".into(), ..keyed(&store).await };
        let answer = claim(&store, &keyed, clock::new_id()).await;
        // SQLite takes the character, PostgreSQL does not; it is never a fault of ours.
        if let Err(error) = answer {
            assert_eq!(error.kind(), Kind::Invalid);
        }
    }
}
