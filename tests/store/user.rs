//! Users, their tokens, and the server's secrets.

use workroom::{
    clock,
    model::{
        id::{TokenId, UserId},
        user::{Token, TokenScope, UserRole},
    },
    store::{Store, secret, token, user},
};

use super::fixture::{reading, unit, viewer};
use crate::support::on_both;

fn token_of(user_id: UserId) -> Token {
    Token {
        id: TokenId::new(),
        user_id,
        user_name: "ada".into(),
        scope: TokenScope::Worker,
        created_at: clock::now(),
        expires_at: Some(clock::after(clock::now(), std::time::Duration::from_hours(1))),
        revoked_at: None,
    }
}

on_both! {
    async fn a_user_is_made_once_and_never_made_less(store: Store) {
        let ensure = async |role| {
            unit!(store, [] tx => user::ensure(tx, "ada 🚀", role, clock::now()).await).expect("a user")
        };
        let made = ensure(UserRole::User).await;
        let promoted = ensure(UserRole::Admin).await;
        let kept = ensure(UserRole::User).await;
        assert_eq!((made.id, made.role), (promoted.id, UserRole::User));
        assert_eq!(promoted.role, UserRole::Admin);
        assert_eq!(kept, promoted);
    }

    async fn twenty_first_visits_at_once_make_one_user(store: Store) {
        let visits = (0..20).map(|_| viewer(&store, "ada"));
        let users = futures_util::future::join_all(visits).await;
        assert!(users.iter().all(|user| user == &users[0]));
    }

    async fn a_viewer_sees_only_themselves(store: Store) {
        let (ada, bob) = (viewer(&store, "ada").await, viewer(&store, "bob").await);
        let mut conn = reading(&store).await;
        let seen = user::by_ids(&mut conn, &ada, &[ada.user_id(), bob.user_id(), UserId::new()]).await.expect("a read");
        assert_eq!(seen.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["ada"]);
    }

    async fn a_token_is_found_by_its_hash_until_for_ever(store: Store) {
        let ada = viewer(&store, "ada").await;
        let kept = token_of(ada.user_id());
        let hash = vec![0, 255, 0, 7];
        unit!(store, [kept, hash] tx => token::insert(tx, &kept, &hash).await).expect("a token is kept");
        let again = token_of(ada.user_id());
        assert!(unit!(store, [again, hash] tx => token::insert(tx, &again, &hash).await).is_err(), "hashes are unique");

        let mut conn = reading(&store).await;
        let presented = token::by_hash(&mut conn, &hash).await.expect("a read").expect("the token");
        assert_eq!((presented.id, presented.user_id, presented.role), (kept.id, ada.user_id(), UserRole::User));
        assert_eq!((presented.expires_at, presented.revoked_at), (kept.expires_at, None));
        assert!(token::by_hash(&mut conn, &[0, 255, 0]).await.expect("a read").is_none());
        assert_eq!(token::list(&mut conn).await.expect("a read"), vec![kept.clone()]);
        let now = clock::now();
        assert!(token::ended_among(&mut conn, &[kept.id], now).await.expect("a read").is_empty());
        if let Some(expiry) = kept.expires_at {
            let ended = token::ended_among(&mut conn, &[kept.id], expiry).await.expect("a read");
            assert_eq!(ended, vec![kept.id], "it has expired by then");
        }
        drop(conn);

        let id = kept.id;
        for done in [true, false] {
            assert_eq!(unit!(store, [] tx => token::revoke(tx, id, clock::now()).await).expect("an answer"), done);
        }
        let mut conn = reading(&store).await;
        assert_eq!(token::ended_among(&mut conn, &[id, TokenId::new()], now).await.expect("a read"), vec![id]);
        assert!(token::ended_among(&mut conn, &[], now).await.expect("a read").is_empty());
        assert!(token::by_hash(&mut conn, &hash).await.expect("a read").expect("the token").revoked_at.is_some());
    }

    async fn a_secret_is_made_once_whoever_asks_at_once(store: Store) {
        let asks = (0..20_u8).map(|ask| {
            let store = store.clone();
            async move { unit!(store, [] tx => secret::ensure(tx, "cursor", &[ask; 32]).await).expect("a secret") }
        });
        let secrets = futures_util::future::join_all(asks).await;
        assert!(secrets.iter().all(|secret| secret == &secrets[0]));
    }
}
