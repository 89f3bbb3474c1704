//! The leaf operator as bytes between processes.
//!
//! What travels is our own description of the reads, never a serialised Parquet scan: that would
//! lose deletion vectors without a word. A field that is missing fails the decoding.

use std::sync::Arc;

use datafusion::common::internal_err;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::PhysicalExprNode;
use fluss_scan::{TableInfo, TablePath};
use paimon_scan::{LakeOptions, LakeSchema};
use prost::Message;

use crate::bucket_read::BucketRead;
use crate::columns::Columns;
use crate::exec::{LakeSide, StreamSide, TableScan, UnionReadExec};
use crate::source::{Connections, Source};
use crate::{Error, ReadMode, Result};

/// Encodes and decodes [`UnionReadExec`]; refuses every other operator.
#[derive(Debug)]
pub struct UnionReadCodec {
    connections: Arc<Connections>,
}

impl UnionReadCodec {
    /// A codec whose decoded leaves use these connections.
    pub fn new(connections: Arc<Connections>) -> Self {
        Self { connections }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
struct Node {
    #[prost(message, optional, tag = "1")]
    stream: Option<Stream>,
    #[prost(message, optional, tag = "2")]
    name: Option<Name>,
    #[prost(message, optional, tag = "3")]
    lake: Option<Lake>,
    #[prost(enumeration = "Mode", tag = "4")]
    mode: i32,
    #[prost(uint64, repeated, tag = "5")]
    projection: Vec<u64>,
    #[prost(uint64, optional, tag = "6")]
    limit: Option<u64>,
    #[prost(message, repeated, tag = "7")]
    groups: Vec<Group>,
    #[prost(message, repeated, tag = "8")]
    filters: Vec<PhysicalExprNode>,
}

/// Absent in a catalog of the lake alone.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
struct Stream {
    #[prost(message, optional, tag = "1")]
    source: Option<Source>,
    #[prost(bytes = "vec", tag = "2")]
    table: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Name {
    #[prost(string, tag = "1")]
    database: String,
    #[prost(string, tag = "2")]
    table: String,
}

#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
struct Lake {
    #[prost(bytes = "vec", tag = "1")]
    options: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    schema: Vec<u8>,
    #[prost(int64, optional, tag = "3")]
    snapshot_id: Option<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Group {
    #[prost(message, repeated, tag = "1")]
    reads: Vec<BucketRead>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
enum Mode {
    Unknown = 0,
    Union = 1,
    Lake = 2,
    RealTime = 3,
}

impl PhysicalExtensionCodec for UnionReadCodec {
    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<(), DataFusionError> {
        let Some(leaf) = node.downcast_ref::<UnionReadExec>() else {
            return internal_err!("{} cannot be sent to a backend", node.name());
        };
        let mut node = describe(leaf)?;
        for filter in leaf.filters() {
            node.filters.push(converter.physical_expr_to_proto(filter, self)?);
        }
        node.encode(bytes).map_err(|e| DataFusionError::External(Box::new(e)))
    }

    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        if !inputs.is_empty() {
            return internal_err!("a union read has no inputs");
        }
        let mut node = Node::decode(bytes).map_err(|e| damaged(&e.to_string()))?;
        let filters = std::mem::take(&mut node.filters);
        let (scan, groups) = rebuild(node)?;
        let decode = PhysicalPlanDecodeContext::new(context, self);
        let filters = filters
            .iter()
            .map(|f| converter.proto_to_physical_expr(f, scan.output_schema(), &decode))
            .collect::<Result<_, _>>()?;
        let connections = Arc::clone(&self.connections);
        Ok(Arc::new(UnionReadExec::new(Arc::new(scan), groups, filters, connections)))
    }
}

fn describe(leaf: &UnionReadExec) -> Result<Node> {
    let scan = leaf.scan();
    let lake = match &scan.lake {
        None => None,
        Some(lake) => Some(Lake {
            options: lake.options.to_bytes(),
            schema: lake.schema.to_bytes()?,
            snapshot_id: lake.snapshot_id,
        }),
    };
    let mode = match scan.mode {
        ReadMode::Union => Mode::Union,
        ReadMode::Lake => Mode::Lake,
        ReadMode::RealTime => Mode::RealTime,
    };
    Ok(Node {
        stream: scan.stream.as_ref().map(|stream| Stream {
            source: Some(stream.source.clone()),
            table: stream.info.to_bytes(),
        }),
        name: Some(Name { database: scan.path.database.clone(), table: scan.path.table.clone() }),
        lake,
        mode: mode.into(),
        projection: scan.projection.iter().map(|position| *position as u64).collect(),
        limit: scan.limit.map(|limit| limit as u64),
        groups: leaf.groups().iter().map(|reads| Group { reads: reads.clone() }).collect(),
        filters: vec![],
    })
}

fn rebuild(node: Node) -> Result<(TableScan, Vec<Vec<BucketRead>>)> {
    let mode = match node.mode() {
        Mode::Union => ReadMode::Union,
        Mode::Lake => ReadMode::Lake,
        Mode::RealTime => ReadMode::RealTime,
        Mode::Unknown => return Err(damaged("read mode")),
    };
    let lake = match node.lake {
        None => None,
        Some(lake) => Some(LakeSide {
            options: Arc::new(LakeOptions::from_bytes(&lake.options)?),
            schema: LakeSchema::from_bytes(&lake.schema)?,
            snapshot_id: lake.snapshot_id,
            analyzed: None,
        }),
    };
    let position = |position: u64| usize::try_from(position).map_err(|_| damaged("projection"));
    let projection = node.projection.into_iter().map(position).collect::<Result<_>>()?;
    let limit = node.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let name = node.name.ok_or_else(|| damaged("name"))?;
    let path = TablePath::new(name.database, name.table);
    let stream = match node.stream {
        None => None,
        Some(stream) => Some(StreamSide {
            source: stream.source.ok_or_else(|| damaged("source"))?,
            info: TableInfo::from_bytes(&stream.table)?,
        }),
    };
    let columns = match (&stream, &lake) {
        (Some(stream), _) => Columns::of(&stream.info)?,
        (None, Some(lake)) if mode == ReadMode::Lake => Columns::of_lake(&lake.schema),
        (None, _) => return Err(damaged("neither a table of Fluss nor one of a lake")),
    };
    let scan = TableScan::assemble(path, stream, lake, mode, columns).with(projection, limit)?;
    Ok((scan, node.groups.into_iter().map(|group| group.reads).collect()))
}

fn damaged(what: &str) -> Error {
    Error::Corrupt(format!("a union read arrived damaged: {what}"))
}
