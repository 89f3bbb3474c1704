//! Hosts and connections of a simulated network.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use fluss_scan::network::{Network, Reader, Writer};
use fluss_scan::{ClientOptions, FlussClient};
use fluss_sim::{COORDINATOR, Cluster};
use futures::FutureExt;
use futures::future::BoxFuture;
use turmoil::net::{TcpListener, TcpStream};
use turmoil::{Builder, Sim};

const PORT: u16 = 9123;
/// Messages take this long.
const LATENCY: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(4)];
const TICK: Duration = Duration::from_millis(1);
/// No run takes longer, in simulated time.
const LONGEST: Duration = Duration::from_secs(120);

/// Limits of a client that waits for nobody.
pub const CONNECT: Duration = Duration::from_millis(100);
/// See [`CONNECT`].
pub const METADATA: Duration = Duration::from_millis(500);
/// See [`CONNECT`].
pub const REQUEST: Duration = Duration::from_millis(800);

/// Connections of the host that opens them.
#[derive(Debug)]
pub struct Simulated;

impl Network for Simulated {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<(Reader, Writer)>> {
        async move {
            let (reader, writer) = TcpStream::connect(address).await?.into_split();
            Ok((Box::new(reader) as Reader, Box::new(writer) as Writer))
        }
        .boxed()
    }
}

/// The name of a server's host.
pub fn host(server: i32) -> String {
    if server == COORDINATOR { "coordinator".into() } else { format!("server-{server}") }
}

/// A network with the servers of a cluster.
pub fn simulation(cluster: &Cluster, seed: u64) -> Sim<'static> {
    let mut sim = Builder::new()
        .rng_seed(seed)
        .tick_duration(TICK)
        .min_message_latency(LATENCY[0])
        .max_message_latency(LATENCY[1])
        .simulation_duration(LONGEST)
        .tcp_capacity(1024)
        .build();
    for server in cluster.servers() {
        let cluster = cluster.clone();
        sim.host(host(server), move || {
            let cluster = cluster.clone();
            async move {
                let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
                loop {
                    let (stream, _) = listener.accept().await?;
                    let cluster = cluster.clone();
                    tokio::spawn(async move { cluster.serve(stream, server).await });
                }
            }
        });
    }
    sim
}

/// Sizes of frames that clients accept: small ones make servers tear batches.
pub const FRAMES: [usize; 3] = [4 << 10, 16 << 10, 1 << 20];

/// A client that knows the coordinator and one tablet server.
///
/// # Errors
/// Never, for these options.
pub fn client(
    network: Arc<dyn Network>,
    frame_bytes_max: usize,
) -> fluss_scan::Result<Arc<FlussClient>> {
    let bootstrap = format!("{}:{PORT},{}:{PORT}", host(COORDINATOR), host(1));
    let mut options = ClientOptions::new(&bootstrap, &Default::default())?;
    options.connect_timeout = CONNECT;
    options.metadata_timeout = METADATA;
    options.request_timeout = REQUEST;
    options.frame_bytes_max = frame_bytes_max;
    Ok(Arc::new(FlussClient::over(network, options)))
}
