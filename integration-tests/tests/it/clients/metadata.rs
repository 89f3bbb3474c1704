//! What drivers tell of the server and its tables, as dashboards ask them: `DatabaseMetaData` of JDBC and the catalog functions of ODBC.
//! Each driver puts the same facts into words of its own.

use tokio::process::Command;

use super::judge::check;
use super::{heavy_python, home};

#[tokio::test]
async fn connector_j() {
    jdbc("Connector/J, metadata", "jars", &["-Ddriver=mysql"], "connector-j").await;
}

#[tokio::test]
async fn connector_j_by_show() {
    let options = ["-Ddriver=mysql", "-DinformationSchema=false"];
    jdbc("Connector/J, metadata by SHOW", "jars", &options, "connector-j-show").await;
}

#[tokio::test]
async fn connector_j_8() {
    jdbc("Connector/J 8, metadata", "jars-8", &["-Ddriver=mysql"], "connector-j-8").await;
}

#[tokio::test]
async fn connector_j_8_by_show() {
    let options = ["-Ddriver=mysql", "-DinformationSchema=false"];
    jdbc("Connector/J 8, metadata by SHOW", "jars-8", &options, "connector-j-show").await;
}

#[tokio::test]
async fn mariadb_connector_j() {
    let options = ["-Ddriver=mariadb"];
    jdbc("MariaDB Connector/J, metadata", "jars", &options, "mariadb-connector-j").await;
}

#[tokio::test]
#[ignore = "compiled at set-up: make test-clients"]
async fn odbc() {
    check("MariaDB ODBC, metadata", heavy_python("odbc_metadata.py"), "metadata/odbc.json", &[])
        .await;
}

async fn jdbc(client: &str, jars: &str, options: &[&str], file: &str) {
    let path = format!("{}:{}/*", home().join("classes").display(), home().join(jars).display());
    let mut command = Command::new("java");
    command.args(["-cp", &path]).args(options).arg("Metadata");
    check(client, command, &format!("metadata/{file}.json"), &[]).await;
}
