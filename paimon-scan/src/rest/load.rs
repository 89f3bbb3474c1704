//! A table as its REST server describes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use paimon::api::GetTableResponse;
use paimon::catalog::Identifier;
use paimon::io::FileIO;
use paimon::spec::{Snapshot, TableSchema};
use paimon::{Options, Table};

use super::{RestServer, RestServers};
use crate::error::{LakeError, Result};
use crate::options::{LakeOptions, ServedTable, storage};
use crate::refusal;

const MAIN_BRANCH: &str = "main";

/// Schemes whose files need credentials.
const REMOTE: [&str; 4] = ["s3://", "s3a://", "oss://", "hdfs://"];

/// Where the server is asked about a table that it has described.
#[derive(Clone)]
pub(crate) struct Served {
    servers: Arc<RestServers>,
    server: Arc<RestServer>,
    database: String,
    name: String,
    branch: Option<String>,
    /// Of the table, whatever the branch.
    id: String,
}

/// A table that can be read.
pub(crate) struct Loaded {
    pub(crate) table: Table,
    /// What opens its files.
    pub(crate) options: Arc<LakeOptions>,
    pub(crate) served: Served,
}

impl Served {
    fn identifier(&self) -> Identifier {
        match &self.branch {
            Some(branch) => {
                Identifier::new(&*self.database, format!("{}$branch_{branch}", self.name))
            }
            None => Identifier::new(&*self.database, &*self.name),
        }
    }

    /// The latest snapshot, which the server alone knows; `None` before the first commit.
    pub(crate) async fn snapshot(&self) -> Result<Option<Snapshot>> {
        self.server.snapshot(&self.identifier()).await
    }

    /// A branch of the table; `None` when there is none.
    pub(crate) async fn branch(&self, branch: &str) -> Result<Option<Loaded>> {
        let branch = Some(branch).filter(|branch| *branch != MAIN_BRANCH).map(str::to_owned);
        let served = Self { branch, ..self.clone() };
        match served.load().await {
            Ok(loaded) if loaded.served.id != self.id => Err(LakeError::SnapshotGone {
                table: self.identifier().full_name(),
                snapshot_id: 0,
            }),
            Ok(loaded) => Ok(Some(loaded)),
            Err(LakeError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn load(mut self) -> Result<Loaded> {
        let identifier = self.identifier();
        let full = identifier.full_name();
        let description = Description::of(self.server.table(&identifier).await?, &identifier)?;
        // before anything of it is opened
        refusal::kind_of(&full, &description.schema)?;
        let config = self.server.api().await?.options().clone();
        let options = Arc::new(description.options(&self.server, &identifier, &config));
        let files = self.servers.files(&options).await?;
        let branch = self.branch.as_deref().unwrap_or(MAIN_BRANCH);
        let base = Identifier::new(&*self.database, &*self.name);
        let Description { schema, location, id, .. } = description;
        let table = Table::from_resolved_schema(files, base, location, schema, branch);
        let table = table.map_err(|error| LakeError::from_paimon(error, &full, None))?;
        self.id = id;
        Ok(Loaded { table, options, served: self })
    }
}

impl RestServers {
    /// A table by its latest schema.
    pub(crate) async fn load(
        self: &Arc<Self>,
        options: &LakeOptions,
        database: &str,
        name: &str,
    ) -> Result<Loaded> {
        let served = Served {
            servers: Arc::clone(self),
            server: self.server(options)?,
            database: database.to_owned(),
            name: name.to_owned(),
            branch: None,
            id: String::new(),
        };
        served.load().await
    }

    /// The metadata reader's access to the files of a table, with the credentials of now: good for what is read at once.
    async fn files(&self, options: &LakeOptions) -> Result<FileIO> {
        let granted = options.table().is_some_and(|table| table.granted);
        let properties = match granted {
            true => self.grant(options)?.current().await?.properties.clone(),
            false => options.storage().clone(),
        };
        let path = options.root();
        let region = storage::default_of(path, &properties);
        let properties = properties.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let files = FileIO::from_path(path)
            .and_then(|files| files.with_props(properties.chain(region)).build());
        files.map_err(|error| LakeError::from_paimon(error, path, None))
    }

    /// Access to the files of a table that renews its credentials, for reads that last.
    pub(crate) async fn lasting_files(&self, options: &LakeOptions) -> Result<FileIO> {
        let Some(table) = options.table().filter(|table| table.granted) else {
            return self.files(options).await;
        };
        let server = self.server(options)?;
        let identifier = Identifier::new(&*table.database, &*table.name);
        let response = server.table(&identifier).await?;
        if response.id.as_deref() != Some(&*table.id) {
            return Err(LakeError::FileGone { path: table.location.clone() });
        }
        let mut config = Options::new();
        for (key, value) in server.api().await?.options().to_map() {
            // its caches are not ours to bound
            if !key.contains("cache") {
                config.set(key, value);
            }
        }
        let properties = &self.grant(options)?.current().await?.properties;
        if let Some((key, value)) = storage::default_of(options.root(), properties) {
            config.set(key, value);
        }
        let read = Table::from_rest_response(identifier, response, config).await;
        let read = read.map_err(|error| LakeError::from_paimon(error, options.root(), None))?;
        Ok(read.file_io().clone())
    }
}

/// What is needed of the server's answer.
struct Description {
    schema: TableSchema,
    location: String,
    id: String,
    is_external: bool,
}

impl Description {
    fn of(response: GetTableResponse, asked: &Identifier) -> Result<Self> {
        let full = asked.full_name();
        let missing =
            |what: &str| LakeError::corrupt(format!("description of {full} without {what}"));
        let other =
            |told: &Option<String>, asked: &str| told.as_deref().is_some_and(|told| told != asked);
        if other(&response.database, asked.database()) || other(&response.name, asked.object()) {
            let (database, name) = (response.database, response.name);
            return Err(LakeError::corrupt(format!(
                "asked for {full}, told of {database:?} and {name:?}"
            )));
        }
        let schema = response.schema.ok_or_else(|| missing("schema"))?;
        let id = response.schema_id.ok_or_else(|| missing("schemaId"))?;
        Ok(Self {
            schema: timeless(TableSchema::new(id, &schema))?,
            location: response.path.ok_or_else(|| missing("path"))?,
            id: response.id.ok_or_else(|| missing("id"))?,
            is_external: response.is_external.ok_or_else(|| missing("isExternal"))?,
        })
    }

    fn options(&self, server: &RestServer, name: &Identifier, config: &Options) -> LakeOptions {
        let grants =
            config.get("data-token.enabled").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let is_remote = REMOTE.iter().any(|scheme| self.location.starts_with(scheme));
        let table = ServedTable {
            database: name.database().to_owned(),
            name: name.object().to_owned(),
            id: self.id.clone(),
            location: self.location.clone(),
            granted: grants && is_remote && !self.is_external,
            storage: BTreeMap::new(),
        };
        server.options().for_table(table, config)
    }
}

/// The schema without the time at which it was made of the answer: plans are kept by schema.
fn timeless(schema: TableSchema) -> Result<TableSchema> {
    let mut json = serde_json::to_value(schema).map_err(|e| LakeError::corrupt(e.to_string()))?;
    json["timeMillis"] = 0.into();
    serde_json::from_value(json).map_err(|e| LakeError::corrupt(e.to_string()))
}
