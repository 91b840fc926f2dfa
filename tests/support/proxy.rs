//! A way to PostgreSQL that breaks where a story wants it to.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Where a connection is to break.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// When the client says this, and the server does not hear it.
    Unheard(&'static str),
    /// When the client says this and the server has done it and said so with the second word, and the client does not hear that.
    Unanswered(&'static str, &'static str),
    /// When the client says this. Neither side hears of the other any more, not even that it has gone.
    Silent(&'static str),
    /// The same when the client says this and has heard the server's answer with the second word.
    SilentAfter(&'static str, &'static str),
}

/// Passes on what client and server say, until a connection is cut.
pub struct Proxy {
    /// Where the server is, for those who go through here.
    pub url: String,
    cut: Arc<Mutex<Option<Cut>>>,
}

impl Proxy {
    /// Before the server at `url`.
    pub async fn to(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let (authority, database) = rest.split_once('/').expect("a database in the URL");
        let (user, server) = authority.rsplit_once('@').unwrap_or(("postgres", authority));
        let server = if server.contains(':') { server.to_owned() } else { format!("{server}:5432") };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mark = if database.contains('?') { '&' } else { '?' };
        let cut = Arc::new(Mutex::new(None));
        let proxy = Self {
            // What is encrypted cannot be listened to.
            url: format!("{scheme}://{user}@{address}/{database}{mark}sslmode=disable"),
            cut: Arc::clone(&cut),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("the server takes a connection");
                tokio::spawn(pass_on(client, server, Arc::clone(&cut)));
            }
        });
        proxy
    }

    /// Cuts the next connection that gets there, once.
    pub fn cut(&self, cut: Cut) {
        *self.cut.lock().expect("nobody panics with it") = Some(cut);
    }

    /// The cut has not been made yet.
    pub fn is_whole(&self) -> bool {
        self.cut.lock().expect("nobody panics with it").is_some()
    }
}

async fn pass_on(mut client: TcpStream, mut server: TcpStream, cut: Arc<Mutex<Option<Cut>>>) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let (mut until, mut hushed) = (None, None);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(1..) = read else { return };
                let said = &asked[..read.unwrap_or_default()];
                let due = cut.lock().expect("nobody panics with it").take_if(|cut| {
                    let (Cut::Unheard(word)
                    | Cut::Unanswered(word, _)
                    | Cut::Silent(word)
                    | Cut::SilentAfter(word, _)) = cut;
                    holds(said, word)
                });
                match due {
                    Some(Cut::Unheard(_)) => return,
                    Some(Cut::Silent(_)) => return std::future::pending().await,
                    Some(Cut::Unanswered(_, word)) => until = Some(word),
                    Some(Cut::SilentAfter(_, word)) => hushed = Some(word),
                    None => {}
                }
                if server.write_all(said).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(1..) = read else { return };
                let said = &answered[..read.unwrap_or_default()];
                if until.is_some_and(|word| holds(said, word)) || client.write_all(said).await.is_err() {
                    return;
                }
                if hushed.is_some_and(|word| holds(said, word)) {
                    return std::future::pending().await;
                }
            }
        }
    }
}

fn holds(said: &[u8], word: &str) -> bool {
    said.windows(word.len()).any(|window| window == word.as_bytes())
}
