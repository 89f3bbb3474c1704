//! What a client takes for an answer, against a home that breaks its promise.

use arrow::array::Int64Array;
use arrow::ipc::writer::StreamWriter;
use futures::stream::{self, BoxStream};
use proto::v1::home_server::{Home, HomeServer};
use proto::v1::rows::Part;
use proto::v1::{
    CancelRequest, CancelResponse, End, Explanation, Rows, StatusRequest, StatusResponse,
};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::*;

/// Answers every query with the same messages.
struct Fake(Vec<Rows>);

#[tonic::async_trait]
impl Home for Fake {
    type ExecuteStream = BoxStream<'static, Result<Rows, Status>>;

    async fn execute(&self, _: Request<Query>) -> Result<Response<Self::ExecuteStream>, Status> {
        Ok(Response::new(stream::iter(self.0.clone()).map(Ok).boxed()))
    }

    async fn explain(&self, _: Request<Query>) -> Result<Response<Explanation>, Status> {
        Err(Status::unimplemented("explain"))
    }

    async fn cancel(&self, _: Request<CancelRequest>) -> Result<Response<CancelResponse>, Status> {
        Err(Status::unimplemented("cancel"))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        Err(Status::unimplemented("status"))
    }
}

/// Asks a home that sends these parts; the number of rows that were accepted.
async fn ask(parts: Vec<Option<Part>>) -> Result<usize, Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let rows = parts.into_iter().map(|part| Rows { part }).collect();
    let server = tonic::transport::Server::builder().add_service(HomeServer::new(Fake(rows)));
    let server = tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let query = Query { backends: vec![address], ..Query::default() };
    let client = Backends::default();
    let mut pieces = Box::pin(client.execute(query).await?);
    let mut count = 0;
    let mut ended = false;
    while let Some(piece) = pieces.next().await {
        match piece? {
            Piece::Batch(batch) => count += batch.num_rows(),
            Piece::End(_) => ended = true,
        }
    }
    assert!(ended, "a stream that ends well has an End");
    server.abort();
    Ok(count)
}

/// A stream of three rows: the schema and the batch.
fn three_rows() -> Vec<u8> {
    let column = Arc::new(Int64Array::from(vec![1, 2, 3])) as arrow::array::ArrayRef;
    let batch = RecordBatch::try_from_iter([("k", column)]).unwrap();
    let mut writer = StreamWriter::try_new(vec![], &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    std::mem::take(writer.get_mut())
}

fn end(rows: u64) -> Option<Part> {
    Some(Part::End(End { rows, ..End::default() }))
}

#[tokio::test]
async fn only_a_stream_with_its_end_and_all_of_its_rows_is_an_answer() {
    let rows = Some(Part::Ipc(three_rows()));
    assert_eq!(ask(vec![rows.clone(), end(3)]).await, Ok(3));
    let whole = three_rows();
    let (half, rest) = whole.split_at(100);
    let split = vec![Some(Part::Ipc(half.to_vec())), Some(Part::Ipc(rest.to_vec())), end(3)];
    assert_eq!(ask(split).await, Ok(3), "pieces may be cut anywhere");
    let cut = three_rows()[..three_rows().len() - 8].to_vec();
    for (what, parts) in [
        ("nothing", vec![]),
        ("no end", vec![rows.clone()]),
        ("a row too few", vec![rows.clone(), end(4)]),
        ("a row too many", vec![rows.clone(), end(2)]),
        ("a batch cut short", vec![Some(Part::Ipc(cut.clone())), end(3)]),
        ("a batch cut short that is called empty", vec![Some(Part::Ipc(cut)), end(0)]),
        ("a message without a part", vec![rows.clone(), None, end(3)]),
        ("noise", vec![Some(Part::Ipc(vec![7; 64])), end(0)]),
    ] {
        let failure = ask(parts).await.expect_err(what);
        assert_eq!(failure.kind, Kind::BackendLost, "{what}: {failure:?}");
    }
}
