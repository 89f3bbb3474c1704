//! The MySQL port before clients that send anything: what serves a socket serves a scripted client here, and only what
//! stands behind a statement is made up.
//!
//! * [`login`]: until a client is logged in
//! * [`session`]: what it may send then
//! * [`long`]: the same, with packets of up to 33 MiB
//!
//! Besides what holds for all targets, a connection may not take more than [`BYTES_MAX`], and answers must be whole frames.

mod answers;
mod client;
pub mod ops;
mod rows;
pub mod seeds;
mod seen;
mod tally;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mysql_protocol::compress::Algorithm;
use mysql_protocol::{Accounts, Ok as OkPacket, ServerOptions, Verifier, accept, serve, tls};
use tokio::runtime::{Builder, Runtime};

use crate::memory;
use answers::Answers;
use client::Client;
use ops::Ops;
use seen::Seen;

pub use client::can;

/// Memory of one connection.
const BYTES_MAX: usize = 64 << 20;
/// The limits that `conf/frontend.toml` has.
const PACKET_BYTES_MAX: usize = 32 << 20;
const LONG_PARAMETER_BYTES_MAX: usize = 8 << 20;
/// Bytes of one step of a long packet: up to one frame behind the limit, or few.
const LONG_UNIT: usize = 132 << 10;
const SHORT_UNIT: usize = 256;

/// `u` has no password, `p` has one.
struct Two;

impl Accounts for Two {
    fn verifier(&self, user: &str, _: &str) -> Option<Verifier> {
        match user {
            "u" => Some(Verifier::from_password("")),
            "p" => Some(Verifier::from_password("secret")),
            _ => None,
        }
    }
}

/// Bits of an input's first byte, for [`login`].
pub mod offered {
    pub const TLS: u8 = 1;
    pub const REQUIRE_TLS: u8 = 2;
}

fn options(choice: u8) -> ServerOptions {
    static TLS: LazyLock<tls::Certificates> =
        LazyLock::new(|| tls::Certificates::self_signed().expect("a certificate"));
    ServerOptions {
        version: "8.0.33-fuzz".into(),
        tls: (choice & offered::TLS != 0).then(|| TLS.config()),
        require_tls: choice & offered::REQUIRE_TLS != 0,
        packet_bytes_max: PACKET_BYTES_MAX,
        login_timeout: Duration::from_secs(60),
    }
}

/// Clients that are not logged in yet: for each `options u8 | ops`, see [`ops::op`].
pub fn login(input: &[u8]) {
    connections(input, SHORT_UNIT, async |client, choice, seen| {
        let options = options(choice);
        if options.tls.is_some() {
            seen.ignore_answers();
        }
        let Ok((mut connection, login)) = accept(client, "h", 1, &options, &Two).await else {
            return;
        };
        assert_eq!(login.user, "u", "a user who may not come");
        assert!(!options.require_tls, "a login without TLS");
        let _ = connection.ok(&OkPacket::default()).await;
    });
}

/// Clients that are logged in: for each `abilities u8 | ops`, see [`can`].
pub fn session(input: &[u8]) {
    sessions(input, SHORT_UNIT);
}

/// The same, with long packets.
pub fn long(input: &[u8]) {
    sessions(input, LONG_UNIT);
}

fn sessions(input: &[u8], unit: usize) {
    connections(input, unit, async |client, choice, seen| {
        let client = client.logging_in(choice);
        let accepted = accept(client, "h", 1, &options(0), &Two).await;
        let (mut connection, _) = accepted.expect("the login is a right one");
        connection.ok(&OkPacket::default()).await.expect("answers are taken");
        if Algorithm::of(connection.capabilities()).is_some() {
            connection.start_compression();
            seen.compress();
        }
        let _ = serve(&mut Answers::new(connection), std::future::pending()).await;
    });
}

/// Serves one client after another until an input is used up.
fn connections(mut input: &[u8], unit: usize, serve_one: impl AsyncFn(Client<'_>, u8, Arc<Seen>)) {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));
    while let Some((choice, rest)) = input.split_first() {
        let seen = Arc::new(Seen::default());
        let client = Client::new(Ops::new(rest), unit, &seen);
        let bytes = memory::most_of(BYTES_MAX, || {
            RUNTIME.block_on(serve_one(client, *choice, Arc::clone(&seen)));
        });
        seen.assert_whole();
        tally::add(seen.packets(), bytes);
        input = Ops::new(&rest[rest.len() - seen.left()..]).next_client();
    }
}
