//! A wire to a server that can be cut.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// Takes connections and passes on what they carry, until it is dropped.
pub struct Wire {
    address: SocketAddr,
    cuts: watch::Sender<usize>,
    sockets: Arc<AtomicUsize>,
    _connections: JoinSet<()>,
}

impl Wire {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (cuts, sockets) = (watch::Sender::new(0), Arc::<AtomicUsize>::default());
        let (cut, opened) = (cuts.clone(), Arc::clone(&sockets));
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                open.spawn(carry(client, server, cut.subscribe(), Arc::clone(&opened)));
            }
        });
        Self { address, cuts, sockets, _connections: connections }
    }

    /// `http://127.0.0.1:…`, without a slash at the end.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts whatever is open. What is opened later is carried again.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How many WebSockets were opened.
    pub fn sockets(&self) -> usize {
        self.sockets.load(Ordering::SeqCst)
    }
}

async fn carry(mut client: TcpStream, server: SocketAddr, mut cuts: watch::Receiver<usize>, sockets: Arc<AtomicUsize>) {
    let mut beginning = [0; 3];
    // The clients send everything but the opening of a WebSocket by POST.
    if client.peek(&mut beginning).await.is_ok() && &beginning == b"GET" {
        sockets.fetch_add(1, Ordering::SeqCst);
    }
    let mut server = TcpStream::connect(server).await.expect("the server listens");
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = cuts.changed() => {}
    }
}
