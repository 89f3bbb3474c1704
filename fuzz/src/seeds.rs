//! Inputs to begin with: frames that were recorded from real servers, and rows of every type as Fluss writes them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fluss_scan::messages::{
    Call, FetchLogAnswer, GetTableInfo, GetTableStatsAnswer, LimitScanAnswer, ListOffsetsAnswer,
    LookedUpBucket, LookedUpValue, LookedUpValues, LookupAnswer, OffsetOfBucket,
    PrefixLookedUpBucket, PrefixLookupAnswer, ScanKvAnswer, StatsOfBucket,
};
use prost::Message;

use crate::client::call;
use crate::mysql;
use crate::records;
use crate::remote::WITH_CHECKSUMS;
use crate::tables::{ALL_TYPES, FULL, TABLE_ID};

/// A recorded answer and the name of its file.
struct Recorded {
    name: String,
    frame: Vec<u8>,
}

impl Recorded {
    fn message(&self) -> &[u8] {
        self.frame.get(9..).unwrap_or_default()
    }

    fn is(&self, prefix: &str) -> bool {
        self.name.starts_with(prefix)
    }
}

fn recorded() -> io::Result<Vec<Recorded>> {
    let frames = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fluss-scan/tests/frames");
    let mut recorded = vec![];
    for entry in fs::read_dir(frames)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_string();
        if let Some(name) = name.strip_suffix(".resp.bin") {
            recorded.push(Recorded { name: name.to_string(), frame: fs::read(&path)? });
        }
    }
    Ok(recorded)
}

/// Writes the seeds of a target.
pub fn write(target: &str, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let seeds = Seeds { directory: directory.to_path_buf() };
    if let Some(clients) = mysql::seeds::of(target) {
        return clients.iter().try_for_each(|(name, client)| seeds.add(name, &[client]));
    }
    let recorded = recorded()?;
    match target {
        "connection" => seeds.connection(&recorded),
        "calls" => seeds.calls(&recorded),
        "log_batches" => seeds.log_batches(&recorded),
        "kv_values" => seeds.kv_values(&recorded),
        "remote_segment" => seeds.remote_segment(&recorded),
        "table_json" => seeds.table_json(&recorded),
        "messages" => seeds.messages(&recorded),
        other => Err(io::Error::other(format!("no target is called {other}"))),
    }
}

struct Seeds {
    directory: PathBuf,
}

impl Seeds {
    fn add(&self, name: &str, input: &[&[u8]]) -> io::Result<()> {
        fs::write(self.directory.join(name), input.concat())
    }

    /// After the handshake the frame, each under the id that the client gives.
    fn connection(&self, recorded: &[Recorded]) -> io::Result<()> {
        for hello in recorded.iter().filter(|r| r.is("api_versions") || r.is("sasl")) {
            self.add(&hello.name, &[&raw(&hello.frame, 0)])?;
        }
        let hello = recorded.iter().find(|r| r.name == "api_versions_tablet.v10");
        let hello = hello.ok_or_else(|| io::Error::other("no answer about versions"))?;
        for answer in recorded.iter().filter(|r| r.is("table_info") || r.is("error")) {
            self.add(&answer.name, &[&raw(&hello.frame, 0), &raw(&answer.frame, 1)])?;
        }
        Ok(())
    }

    fn calls(&self, recorded: &[Recorded]) -> io::Result<()> {
        let table = |frame: &[u8]| reply(frame.get(9..).unwrap_or_default());
        for r in recorded {
            let kind = r.frame.get(4).copied().unwrap_or(0);
            let simple = [
                ("table_info", call::TABLE_INFO),
                ("schema", call::SCHEMA),
                ("partitions", call::PARTITIONS),
                ("lake_snapshot", call::LAKE_SNAPSHOT),
                ("list_offsets", call::OFFSETS),
                ("error", call::LIST_DATABASES),
                ("lookup_p", call::LOOKUP),
                ("table_stats", call::STATS),
            ];
            for (_, call) in simple.iter().filter(|(prefix, _)| r.is(prefix)) {
                let mut input = table(&r.frame);
                input[0] = kind;
                self.add(&r.name, &[&[*call, 0, 0, 0], &input])?;
            }
            if r.is("fetch_") {
                let is_projected = r.name.contains("projected");
                let choice = match () {
                    () if is_projected => call::SCAN_LOG_PROJECTED,
                    () if r.is("fetch_filter") => call::SCAN_LOG_FILTERED,
                    () => call::SCAN_LOG,
                };
                if let Some((answer, end)) = at_home(r) {
                    let [low, high] = end.to_le_bytes();
                    self.add(&r.name, &[&[choice, 0, low, high], &reply(&answer)])?;
                    self.add(
                        &format!("{}.cut", r.name),
                        &[&[choice, 3, low.saturating_sub(2), high], &reply(&answer)],
                    )?;
                }
            }
            if r.is("limit_scan") {
                let offset = OffsetOfBucket { offset: Some(9), ..OffsetOfBucket::default() };
                let end = ListOffsetsAnswer { buckets: vec![offset] }.encode_to_vec();
                let (end, rows) = (reply(&end), reply(r.message()));
                self.add(&r.name, &[&[call::LIMIT_SCAN, 0, 0, 0], &end, &rows, &end])?;
            }
            if r.is("scan_kv") {
                self.add(&r.name, &[&[call::SCAN_KV, 0, 0, 0], &reply(r.message())])?;
            }
        }
        self.lookups()
    }

    /// Rows that are found by a prefix: of three columns, schema 1, as a state has them.
    fn lookups(&self) -> io::Result<()> {
        let row = Bytes::from_static(&[1, 0, 0, 1, b'a', 7, 42]);
        let values = vec![LookedUpValue { bytes: Some(row.clone()) }, LookedUpValue::default()];
        let buckets = vec![LookedUpBucket { values, ..LookedUpBucket::default() }];
        let found = LookupAnswer { buckets }.encode_to_vec();
        let lists = vec![LookedUpValues { values: vec![row.clone(), row] }];
        let buckets = vec![PrefixLookedUpBucket { lists, ..PrefixLookedUpBucket::default() }];
        let by_prefix = PrefixLookupAnswer { buckets }.encode_to_vec();
        let count = StatsOfBucket { row_count: Some(9), ..StatsOfBucket::default() };
        let counts = GetTableStatsAnswer { buckets: vec![count] }.encode_to_vec();
        for (name, choice, answer) in [
            ("lookup", call::LOOKUP, found),
            ("prefix_lookup", call::PREFIX_LOOKUP, by_prefix),
            ("stats", call::STATS, counts),
        ] {
            self.add(name, &[&[choice, 0, 0, 0], &reply(&answer)])?;
        }
        Ok(())
    }

    fn log_batches(&self, recorded: &[Recorded]) -> io::Result<()> {
        for r in recorded.iter().filter(|r| r.is("fetch_")) {
            if let Some(records) = records_of(r) {
                // columns 0, 3 and 15, cut by the server
                let choice = if r.name.contains("projected") { 2 | 8 } else { 0 };
                self.add(&r.name, &[&[choice], &records])?;
                if choice == 0 {
                    self.add(&format!("{}.cut", r.name), &[&[2], &records])?;
                }
            }
        }
        // of all types: the format, and all columns or some
        for (name, format) in [
            ("log_arrow", 0),
            ("log_arrow_changes", 0),
            ("log_arrow_lz4", 0),
            ("log_arrow_zstd", 0),
            ("log_indexed", 1 << 4),
            ("log_indexed_changes", 1 << 4),
            ("log_compacted", 2 << 4),
            ("log_compacted_changes", 2 << 4),
        ] {
            let batch = rows(name)?;
            self.add(name, &[&[1 | format], &batch])?;
            self.add(&format!("{name}.cut"), &[&[1 | 2 | format], &batch])?;
            self.add(&format!("{name}.v2"), &[&[1 | format], &records::as_version_2(&batch)])?;
        }
        Ok(())
    }

    fn kv_values(&self, recorded: &[Recorded]) -> io::Result<()> {
        for r in recorded {
            let records = if r.is("limit_scan") {
                LimitScanAnswer::decode(r.message()).ok().and_then(|a| a.records)
            } else if r.is("scan_kv") {
                ScanKvAnswer::decode(r.message()).ok().and_then(|a| a.records)
            } else {
                None
            };
            for choice in [0, 4] {
                if let Some(records) = &records {
                    self.add(&format!("{}.{choice}", r.name), &[&[choice], records])?;
                }
            }
        }
        for (name, format) in [("state_compacted", 1), ("state_indexed", 2)] {
            for choice in [format, 4 | format] {
                self.add(&format!("{name}.{choice}"), &[&[choice], &rows(name)?])?;
            }
        }
        Ok(())
    }

    fn remote_segment(&self, recorded: &[Recorded]) -> io::Result<()> {
        for r in recorded.iter().filter(|r| r.is("fetch_") && !r.name.contains("projected")) {
            if let (Some(records), Some((_, end))) = (records_of(r), at_home(r)) {
                let [low, high] = end.to_le_bytes();
                for options in [0, WITH_CHECKSUMS] {
                    let name = format!("{}.{options}", r.name);
                    self.add(&name, &[&[options, 0, 0, 0, low, high], &records])?;
                }
            }
        }
        Ok(())
    }

    fn table_json(&self, recorded: &[Recorded]) -> io::Result<()> {
        for r in recorded.iter().filter(|r| r.is("table_info")) {
            if let Ok(answer) = <GetTableInfo as Call>::Answer::decode(r.message()) {
                self.add(&r.name, &[&answer.json])?;
            }
        }
        for (name, table) in [("full", &*FULL), ("types", &*ALL_TYPES)] {
            // the JSON is the last field that is set
            let bytes = table.to_bytes();
            let at = bytes.iter().position(|byte| *byte == b'{').unwrap_or(0);
            self.add(name, &[&bytes[at..]])?;
        }
        Ok(())
    }

    fn messages(&self, recorded: &[Recorded]) -> io::Result<()> {
        let choices = [
            ("api_versions", 0),
            ("sasl", 1),
            ("error", 2),
            ("fetch", 3),
            ("lake_snapshot", 4),
            ("table_info", 5),
            ("schema", 6),
            ("table_stats", 7),
            ("limit_scan", 8),
            ("list_offsets", 10),
            ("partitions", 11),
            ("lookup", 13),
            ("metadata", 14),
            ("scan_kv", 16),
        ];
        for r in recorded {
            for (_, choice) in choices.iter().filter(|(prefix, _)| r.is(prefix)) {
                self.add(&r.name, &[&[*choice], r.message()])?;
            }
        }
        Ok(())
    }
}

/// A file of every type, as Fluss's own writers wrote it.
fn rows(name: &str) -> io::Result<Vec<u8>> {
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fluss-scan/tests/rows");
    fs::read(rows.join(format!("{name}.bin")))
}

/// An answer as a reply of a script.
fn reply(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX).to_le_bytes();
    [&[0, length[0], length[1]], message].concat()
}

/// A whole frame as a reply, under the id of the call.
fn raw(frame: &[u8], id: i32) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if let Some(place) = frame.get_mut(5..9) {
        place.copy_from_slice(&id.to_be_bytes());
    }
    let mut reply = reply(&frame);
    reply[0] = 5;
    reply
}

fn records_of(r: &Recorded) -> Option<Vec<u8>> {
    let answer = FetchLogAnswer::decode(r.message()).ok()?;
    let records = answer.tables.into_iter().flat_map(|t| t.buckets).find_map(|b| b.records)?;
    (!records.is_empty()).then(|| records.to_vec())
}

/// An answer as it would be about bucket 0 of our table, and the end of its log.
fn at_home(r: &Recorded) -> Option<(Vec<u8>, u16)> {
    let mut answer = FetchLogAnswer::decode(r.message()).ok()?;
    answer.tables.truncate(1);
    let table = answer.tables.first_mut()?;
    table.table_id = TABLE_ID;
    table.buckets.truncate(1);
    let bucket = table.buckets.first_mut()?;
    bucket.bucket = 0;
    bucket.partition_id = None;
    let end = u16::try_from(bucket.high_watermark.unwrap_or(0).clamp(0, 60_000)).ok()?;
    Some((answer.encode_to_vec(), end))
}
