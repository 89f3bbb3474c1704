//! What inputs begin with: clients as they should be.

use mysql_protocol::capability as cap;

use super::ops::op;
use super::{can, offered};

const HANDSHAKE: u32 = cap::PROTOCOL_41 | cap::SECURE_CONNECTION | cap::PLUGIN_AUTH;

/// The seeds of a target: a name and a client.
pub fn of(target: &str) -> Option<Vec<(&'static str, Vec<u8>)>> {
    match target {
        "mysql_login" => Some(logins()),
        "mysql_session" => Some(sessions()),
        "mysql_long" => Some(long_packets()),
        _ => None,
    }
}

fn packet(payload: &[u8]) -> Vec<u8> {
    [&[op::PACKET, length(payload)], payload].concat()
}

fn numbered(number: u8, payload: &[u8]) -> Vec<u8> {
    [&[op::NUMBERED, number, length(payload)], payload].concat()
}

fn length(payload: &[u8]) -> u8 {
    u8::try_from(payload.len()).expect("a short packet")
}

/// The answer to a greeting: the user's zero-terminated name, the answer to the salt, and what follows.
fn answer(capabilities: u32, user: &str, scramble: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut payload = capabilities.to_le_bytes().to_vec();
    payload.resize(32, 0);
    payload.extend_from_slice(user.as_bytes());
    payload.extend_from_slice(&[0, length(scramble)]);
    payload.extend_from_slice(scramble);
    payload.extend_from_slice(rest);
    payload
}

fn logins() -> Vec<(&'static str, Vec<u8>)> {
    const SHA2: &[u8] = b"caching_sha2_password\0";
    const NATIVE: &[u8] = b"mysql_native_password\0";
    let all = HANDSHAKE | cap::CONNECT_WITH_DB | cap::CONNECT_ATTRS | cap::PLUGIN_AUTH_LENENC;
    let full = [b"db\0", SHA2, b"\x0e\x05_name\x07someone"].concat();
    let secure = HANDSHAKE | cap::SSL;
    let request = [&secure.to_le_bytes()[..], &[0; 28]].concat();
    let one = |options: u8, packets: &[Vec<u8>]| [&[options][..], &packets.concat()].concat();
    vec![
        ("empty", one(0, &[numbered(1, &answer(HANDSHAKE, "u", b"", SHA2))])),
        ("all", one(0, &[numbered(1, &answer(all, "u", b"", &full))])),
        ("compressed", one(0, &[numbered(1, &answer(all | cap::COMPRESS, "u", b"", &full))])),
        ("wrong", one(0, &[numbered(1, &answer(HANDSHAKE, "p", &[7; 32], SHA2))])),
        ("nobody", one(0, &[numbered(1, &answer(HANDSHAKE, "x", &[7; 20], NATIVE))])),
        // told to use another plugin, and answered
        ("switch", one(0, &[numbered(1, &answer(HANDSHAKE, "u", b"", NATIVE)), numbered(3, b"")])),
        (
            "unknown plugin",
            one(
                0,
                &[numbered(1, &answer(HANDSHAKE, "p", b"x", b"dialog\0")), numbered(3, &[7; 32])],
            ),
        ),
        ("before 4.1", one(0, &[numbered(1, &answer(0, "u", b"", b""))])),
        // what follows the request is the beginning of TLS
        (
            "tls",
            one(
                offered::TLS,
                &[numbered(1, &request), vec![op::RAW, 9, 22, 3, 1, 0, 4, 1, 0, 0, 0]],
            ),
        ),
        ("no tls", one(0, &[numbered(1, &request)])),
        (
            "tls required",
            one(
                offered::TLS | offered::REQUIRE_TLS,
                &[numbered(1, &answer(HANDSHAKE, "u", b"", SHA2))],
            ),
        ),
        ("too long", one(0, &[vec![op::RAW, 4, 0xff, 0xff, 0xff, 1]])),
    ]
}

fn sessions() -> Vec<(&'static str, Vec<u8>)> {
    let every: Vec<Vec<u8>> = [
        &b"\x03select"[..],
        b"\x03done;error",
        b"\x03wait;x;d",
        b"\x03values of every type",
        b"\x02db",
        b"\x04t\0%",
        b"\x09",
        b"\x0c\x01\0\0\0",
        b"\x0e",
        b"\x1b\0\0",
        b"\x1f",
        b"\x03\xff",
        b"",
        b"\x1d",
    ]
    .iter()
    .map(|payload| packet(payload))
    .collect();
    // a number of every type, a text, dates and times
    let types = [1, 2, 3, 8, 4, 5, 12, 11, 253, 6];
    let bound: Vec<u8> = types.iter().flat_map(|code| [*code, 0]).collect();
    let values = [
        &[1, 2, 0, 3, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f][..],
        &[0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
        &[11, 0xea, 7, 11, 24, 10, 20, 30, 1, 0, 0, 0],
        &[12, 1, 1, 0, 0, 0, 2, 3, 4, 5, 0, 0, 0],
        b"\x0babcdefghijk",
    ]
    .concat();
    let parameters = [&[0, 0, 1][..], &bound, &values].concat();
    let execute = |flags: u8, parameters: &[u8]| {
        [&[op::EXECUTE, 0, flags, length(parameters)], parameters].concat()
    };
    let prepare = packet(b"\x16select ??????????");
    let prepared = [
        prepare.clone(),
        execute(0, &parameters),
        packet(b"\x18\x01\0\0\0\x08\0long"),
        execute(1, &parameters),
        packet(b"\x1c\x01\0\0\0\x01\0\0\0"),
        packet(b"\x1c\x01\0\0\0\xff\0\0\0"),
        packet(b"\x1a\x01\0\0\0"),
        packet(b"\x19\x01\0\0\0"),
    ];
    let change = [
        packet(b"\x11u\0\0db\0\x2d\0caching_sha2_password\0"),
        numbered(2, b""),
        packet(b"\x0e"),
        packet(b"\x01"),
    ];
    let mut seeds = vec![];
    for (name, abilities) in [
        ("plain", 0),
        ("new", can::DEPRECATE_EOF | can::MULTI_STATEMENTS),
        ("zlib", can::ZLIB | can::MULTI_STATEMENTS),
        ("zstd", can::ZSTD | can::DEPRECATE_EOF),
    ] {
        let packets = [every.concat(), prepared.concat(), change.concat()].concat();
        seeds.push((name, [&[abilities][..], &packets].concat()));
    }
    // the same as compressed frames, and frames that lie
    let deflated: Vec<u8> =
        [op::PACKET | op::DEFLATED, 60, 3].into_iter().chain([b'x'; 59]).collect();
    let lie = vec![op::FRAME, 0, 100, 0, 5, 1, 2, 3, 4, 5];
    seeds.push(("deflated", [&[can::ZLIB][..], &deflated, &lie].concat()));
    seeds.push(("zstd deflated", [&[can::ZSTD][..], &deflated, &lie].concat()));
    seeds
}

fn long_packets() -> Vec<(&'static str, Vec<u8>)> {
    let long = |steps: u8, beginning: &[u8]| {
        [&[op::LONG, steps, b'x', length(beginning)], beginning].concat()
    };
    let ping = packet(b"\x0e");
    let one = |abilities: u8, packets: &[Vec<u8>]| [&[abilities][..], &packets.concat()].concat();
    let bind = [
        packet(b"\x16select ??"),
        long(30, b"\x18\x01\0\0\0\0\0"),
        long(30, b"\x18\x01\0\0\0\0\0"),
        // the other parameter is a text of fifteen mebibytes, and as much again lies behind it
        long(240, b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfd\0\xfd\0\xfd\0\0\xf0"),
    ];
    vec![
        ("query", one(0, &[long(200, b"\x03done"), ping.clone()])),
        ("over the limit", one(0, &[long(255, b"\x03done"), ping.clone()])),
        ("one frame", one(can::MULTI_STATEMENTS, &[long(120, b"\x03done"), ping.clone()])),
        ("zlib", one(can::ZLIB, &[long(240, b"\x03done"), ping.clone()])),
        ("zstd", one(can::ZSTD, &[long(240, b"\x03done"), ping])),
        ("parameters", one(0, &bind)),
    ]
}
