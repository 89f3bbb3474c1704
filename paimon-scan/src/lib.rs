//! The lake half of a union read: Paimon tables read as Arrow batches by DataFusion's own Parquet reader.
//!
//! Reading order: `options` (where a lake is; below it `storage`, how its bytes are reached), `catalog`
//! (names → tables; `rest`, where a server names them), `version` (their earlier states), `system` (what is known of them, as rows), `declared` (columns in words), `merge_rules` (which version counts), `refusal` (what is not
//! read, by name), `schema` and `evolution` (columns and
//! their field ids), `plan` (snapshot → buckets → files; `live` keeps them for the next one), `section`
//! (which files overlap), `file` (the unit that travels to a backend), `analyzed` and `statistics` (what the optimizer is told), then what runs there: `store` (over it `read_only`), `scan`, `source`, `field_id` (`written_names` where there are none),
//! `conform`, `deletion_vector` and its cache, `mask` and `positions`, `reader`, `block_cache` between that and a remote store, and `resolve` for files that overlap by key.
//!
//! From the `paimon` crate comes metadata: catalog, schemas, snapshots, manifests. Its Arrow types
//! (an older Arrow) never leave this crate; data files are read here, with all push-downs of DataFusion. Its own reader
//! reads what is not Parquet and what is merged value by value (`foreign`).
//!
//! Deliberately absent: the log and anything of Fluss, SQL, merging values and decoding formats other than Parquet ourselves, writing, and a codec for a physical plan: a scan is built
//! where it runs, from [`LakeFile`]s.

mod analyzed;
mod block_cache;
mod bounds;
mod bucket;
mod catalog;
mod conform;
mod declared;
mod deletion_vector;
mod deletion_vector_cache;
mod derived_cache;
mod error;
mod evolution;
mod field_id;
mod file;
mod foreign;
mod key;
mod key_set;
mod live;
mod mask;
mod merge_rules;
mod options;
mod plan;
mod positions;
mod read_only;
mod reader;
mod refusal;
mod resolve;
mod rest;
mod scan;
mod schema;
mod section;
mod source;
mod statistics;
mod store;
mod system;
mod version;
mod written_names;

pub use analyzed::Analyzed;
pub use block_cache::{BlockCache, BlockCacheError, BlockCacheOptions};
pub use bucket::{LakeBucket, LakePlan};
pub use catalog::{LakeCatalog, LakeTable};
pub use declared::Declared;
pub use deletion_vector_cache::DeletionVectorCache;
pub use derived_cache::DerivedVectorCache;
pub use error::{LakeError, Result};
pub use file::{ColumnBounds, DeletionVectorRef, Foreign, KeyRange, LakeFile, Section, Slice};
pub use foreign::scan;
pub use key::KeyEncoder;
pub use live::PlanCache;
pub use merge_rules::{MergeEngine, MergeRules};
pub use options::LakeOptions;
pub use resolve::derive_deletion_vectors;
pub use rest::RestServers;
pub use scan::{MaskedFile, ScanRequest};
pub use schema::{FIELD_ID, LakeSchema, SystemColumns, TableKind};
pub use source::LakeSource;
pub use statistics::column_statistics;
pub use system::SystemTable;
pub use version::Version;
pub use written_names::FieldName;
