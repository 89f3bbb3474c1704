//! A cluster's directory and ports, and the configuration files in it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use rand::Rng;

use super::{ClusterOptions, Node};
use crate::artifacts::{ClassPath, Jvm, LOG4J, LOG4J_FILE};
use crate::error::{IoContext, LabError, Result};

/// Below the range that outgoing connections take their ports from: a stopped server's port stays free for its restart.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// Ports tried before giving up.
const PORT_ATTEMPTS: usize = 200;

/// Listener of the servers among themselves and of the tiering job.
const INTERNAL: &str = "INTERNAL";

/// Listener of clients; the name is also the one a server without authentication would use.
const CLIENT: &str = "CLIENT";

/// Ports of one server.
#[derive(Clone, Copy, Debug)]
struct Ports {
    internal: u16,
    client: u16,
}

/// Where everything is. Made once; a restarted process finds its files and ports as they were.
#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
    zookeeper: u16,
    coordinator: Ports,
    tablets: Vec<Ports>,
    heap_divisor: u32,
}

impl Layout {
    /// Picks ports and writes all configuration files below `root`.
    pub(crate) fn create(root: PathBuf, options: &ClusterOptions) -> Result<Self> {
        let mut taken = Vec::new();
        let zookeeper = free_port(&mut taken)?;
        let coordinator = free_ports(&mut taken)?;
        let tablets =
            (0..options.tablet_servers).map(|_| free_ports(&mut taken)).collect::<Result<_>>()?;
        let heap_divisor = options.heap_divisor.max(1);
        let layout = Self { root, zookeeper, coordinator, tablets, heap_divisor };
        for name in ["logs", "tmp", "warehouse", "remote", "zookeeper"] {
            let directory = layout.root.join(name);
            std::fs::create_dir_all(&directory).doing(|| format!("create {name}"))?;
        }
        layout.write(LOG4J_FILE, LOG4J)?;
        layout.write("zookeeper/zoo.cfg", &layout.zoo_cfg())?;
        layout.write_server(Node::Coordinator, layout.coordinator, options)?;
        for (id, ports) in layout.tablets.iter().enumerate() {
            layout.write_server(Node::Tablet(id), *ports, options)?;
        }
        Ok(layout)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn log(&self, node: Node) -> PathBuf {
        self.root.join("logs").join(format!("{node}.log"))
    }

    /// Where a server keeps its own copies.
    pub(crate) fn disk(&self, node: Node) -> PathBuf {
        self.root.join(node.to_string()).join("data")
    }

    pub(crate) fn remote(&self) -> PathBuf {
        self.root.join("remote")
    }

    pub(crate) fn warehouse(&self) -> PathBuf {
        self.root.join("warehouse")
    }

    /// `host:port` of the coordinator's client listener.
    pub(crate) fn coordinator(&self) -> String {
        format!("127.0.0.1:{}", self.coordinator.client)
    }

    /// `host:port` of a tablet server's client listener.
    pub(crate) fn tablet(&self, id: usize) -> Option<String> {
        self.tablets.get(id).map(|ports| format!("127.0.0.1:{}", ports.client))
    }

    /// The JVM of a node.
    pub(crate) fn jvm(&self, node: Node) -> Jvm {
        let config = |node: Node| vec!["--configDir".to_owned(), self.path(&node.to_string())];
        match node {
            Node::ZooKeeper => Jvm {
                class_path: ClassPath::ZooKeeper,
                heap_mb: 128,
                main: "org.apache.fluss.shaded.zookeeper3.org.apache.zookeeper.server.quorum.QuorumPeerMain",
                args: vec![self.path("zookeeper/zoo.cfg")],
            },
            Node::Coordinator => Jvm {
                class_path: ClassPath::Server,
                heap_mb: 384,
                main: "org.apache.fluss.server.coordinator.CoordinatorServer",
                args: config(node),
            },
            Node::Tablet(_) => Jvm {
                class_path: ClassPath::Server,
                heap_mb: 768 / self.heap_divisor,
                main: "org.apache.fluss.server.tablet.TabletServer",
                args: config(node),
            },
            Node::Tiering => Jvm {
                class_path: ClassPath::Flink,
                heap_mb: 1024,
                main: "org.apache.fluss.flink.tiering.FlussLakeTieringEntrypoint",
                args: self.tiering_args(),
            },
        }
    }

    /// The poll interval's default of 30 s would be the delay of every row.
    fn tiering_args(&self) -> Vec<String> {
        let bootstrap = format!("127.0.0.1:{}", self.coordinator.internal);
        let pairs = [
            ("--fluss.bootstrap.servers", bootstrap),
            ("--datalake.format", "paimon".to_owned()),
            ("--datalake.paimon.metastore", "filesystem".to_owned()),
            ("--datalake.paimon.warehouse", uri(&self.warehouse())),
            ("--fluss.tiering.poll.table.interval", "200ms".to_owned()),
        ];
        pairs.into_iter().flat_map(|(key, value)| [key.to_owned(), value]).collect()
    }

    fn path(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.root.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).doing(|| format!("create {}", parent.display()))?;
        }
        std::fs::write(&path, text).doing(|| format!("write {}", path.display()))
    }

    fn zoo_cfg(&self) -> String {
        format!(
            "tickTime=500\ndataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n",
            self.path("zookeeper/data"),
            self.zookeeper
        )
    }

    fn write_server(&self, node: Node, ports: Ports, options: &ClusterOptions) -> Result<()> {
        let mut yaml = self.server_yaml(node, ports, options);
        if let Some(sasl) = &options.sasl {
            yaml.extend(sasl_yaml(&sasl.user, &sasl.password));
        }
        yaml.extend(options.server_options.iter().cloned());
        let text = yaml.iter().fold(String::new(), |mut text, (key, value)| {
            // writing to a String cannot fail
            let _ = writeln!(text, "{key}: {value}");
            text
        });
        self.write(&format!("{node}/server.yaml"), &text)
    }

    fn server_yaml(
        &self,
        node: Node,
        ports: Ports,
        options: &ClusterOptions,
    ) -> BTreeMap<String, String> {
        let listeners = format!(
            "{INTERNAL}://127.0.0.1:{}, {CLIENT}://127.0.0.1:{}",
            ports.internal, ports.client
        );
        let millis = |interval: std::time::Duration| format!("{}ms", interval.as_millis());
        let mut yaml = BTreeMap::from(
            [
                ("zookeeper.address", format!("127.0.0.1:{}", self.zookeeper)),
                ("bind.listeners", listeners),
                ("internal.listener.name", INTERNAL.to_owned()),
                ("data.dir", self.disk(node).display().to_string()),
                ("remote.data.dir", uri(&self.remote())),
                ("default.bucket.number", "1".to_owned()),
                ("default.replication.factor", "1".to_owned()),
                ("kv.snapshot.interval", millis(options.kv_snapshot_interval)),
                ("log.segment.file-size", format!("{}b", options.segment_bytes)),
                ("remote.log.task-interval-duration", millis(options.remote_log_interval)),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        );
        if options.lake {
            let lake = [
                // 1.0 needs it, 0.9 ignores it
                ("datalake.enabled", "true".to_owned()),
                ("datalake.format", "paimon".to_owned()),
                ("datalake.paimon.metastore", "filesystem".to_owned()),
                ("datalake.paimon.warehouse", uri(&self.warehouse())),
            ];
            yaml.extend(lake.map(|(key, value)| (key.to_owned(), value)));
        }
        if let Node::Tablet(id) = node {
            yaml.insert("tablet-server.id".to_owned(), id.to_string());
        }
        yaml
    }
}

/// PLAIN on the client listener only.
fn sasl_yaml(user: &str, password: &str) -> [(String, String); 4] {
    let jaas = format!(
        "org.apache.fluss.security.auth.sasl.plain.PlainLoginModule required user_{user}=\"{password}\";"
    );
    [
        ("security.protocol.map", format!("{CLIENT}:SASL")),
        ("security.sasl.enabled.mechanisms", "PLAIN".to_owned()),
        ("security.sasl.plain.jaas.config", jaas),
        ("super.users", format!("User:{user}")),
    ]
    .map(|(key, value)| (key.to_owned(), value))
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

fn free_ports(taken: &mut Vec<u16>) -> Result<Ports> {
    Ok(Ports { internal: free_port(taken)?, client: free_port(taken)? })
}

pub(crate) fn free_port(taken: &mut Vec<u16>) -> Result<u16> {
    let mut random = rand::rng();
    for _ in 0..PORT_ATTEMPTS {
        let port = random.random_range(PORTS);
        if !taken.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            taken.push(port);
            return Ok(port);
        }
    }
    Err(LabError::Setup(format!("no free port in {PORTS:?}")))
}
