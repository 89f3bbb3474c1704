//! What one connection remembers between its statements.
//!
//! * [`variables`]: system variables
//! * [`process_list`]: all sessions of this server, `SHOW PROCESSLIST` and `KILL`
//! * [`warnings`]: what `SHOW WARNINGS` tells

pub mod process_list;
pub mod variables;
pub mod warnings;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, plan_err};
use datafusion::logical_expr::var_provider::VarProvider;
use datafusion::scalar::ScalarValue;
use sql_functions::Zone;
use union_read::ReadPath;

use crate::catalog::DEFAULT_CATALOG;
use crate::read_points::Kept;
use crate::{Error, Result};
use variables::Variables;
use warnings::Warnings;

/// User variables that one session may keep, and the bytes of their names and values together.
const USER_VARIABLES_MAX: usize = 1000;
const USER_VARIABLE_BYTES_MAX: usize = 1 << 20;

/// One client's session.
#[derive(Debug, Clone)]
pub struct Session {
    /// The connection's id, as `KILL` takes it.
    pub id: u32,
    /// The user who logged in.
    pub user: String,
    /// The client's address.
    pub host: String,
    /// The catalog that names without one are in.
    pub catalog: String,
    /// The database that names without one are in.
    pub database: Option<String>,
    /// System variables.
    pub variables: Variables,
    /// Whether `BEGIN` was said and no end of it.
    pub in_transaction: bool,
    /// The warnings of the last statement.
    pub warnings: Warnings,
    /// Where the last query read, while `keep_read_points` is on.
    pub read_points: Option<Arc<Kept>>,
    user_variables: HashMap<String, ScalarValue>,
}

impl Session {
    /// A new session of a user.
    pub fn new(id: u32, user: String, host: String) -> Self {
        Self {
            id,
            user,
            host,
            catalog: DEFAULT_CATALOG.into(),
            database: None,
            variables: Variables::default(),
            in_transaction: false,
            warnings: Warnings::default(),
            read_points: None,
            user_variables: HashMap::new(),
        }
    }

    /// Forgets everything but who is connected and the default database (COM_RESET_CONNECTION).
    pub fn reset(&mut self) {
        self.variables.reset();
        self.in_transaction = false;
        self.warnings.clear();
        self.user_variables.clear();
        self.read_points = None;
    }

    /// Completes `[[catalog.]database.]name`.
    pub fn resolve(&self, name: &[String]) -> Result<(String, String, String)> {
        let current = || self.database.clone().ok_or(Error::NoDatabase);
        match name {
            [table] => Ok((self.catalog.clone(), current()?, table.clone())),
            [database, table] => Ok((self.catalog.clone(), database.clone(), table.clone())),
            [catalog, database, table] => Ok((catalog.clone(), database.clone(), table.clone())),
            _ => Err(Error::Syntax(format!("'{}' is no name of a table", name.join(".")))),
        }
    }

    /// Sets `@name`.
    pub fn set_user_variable(&mut self, name: String, value: ScalarValue) -> Result<()> {
        let bytes = name.len() + value.size();
        let full = self.user_variables.len() >= USER_VARIABLES_MAX
            && !self.user_variables.contains_key(&name);
        if full || bytes > USER_VARIABLE_BYTES_MAX {
            return Err(Error::TooLarge(format!(
                "user variables are limited to {USER_VARIABLES_MAX} of {USER_VARIABLE_BYTES_MAX} bytes"
            )));
        }
        self.user_variables.insert(name, value);
        Ok(())
    }

    /// The zone of the session.
    pub fn zone(&self) -> Zone {
        // only names of zones can be set
        Zone::parse(&self.variables.text("time_zone")).unwrap_or(Zone::UTC)
    }

    /// The path of the session's union reads.
    pub fn union_read_path(&self) -> ReadPath {
        // only names of paths can be set
        ReadPath::parse(&self.variables.text("union_read_path")).unwrap_or_default()
    }
}

/// Gives the values of a session's variables to queries.
#[derive(Debug)]
pub struct SessionVariables(pub Arc<Session>);

impl SessionVariables {
    /// The value of a system variable; some of them count what the last statement left.
    fn system(&self, name: &str) -> Option<ScalarValue> {
        let warnings = &self.0.warnings;
        let count = match name.to_lowercase().as_str() {
            "warning_count" => warnings.count(),
            "error_count" => warnings.all().iter().filter(|w| w.is_error()).count(),
            _ => return self.0.variables.get(name),
        };
        Some(ScalarValue::Int64(Some(i64::try_from(count).unwrap_or(i64::MAX))))
    }

    fn find(&self, names: &[String]) -> Option<ScalarValue> {
        match names {
            [scope, name] if scope.eq_ignore_ascii_case("@@global") => {
                self.0.variables.default_of(name)
            }
            [scope, name]
                if ["@@session", "@@local"].iter().any(|s| s.eq_ignore_ascii_case(scope)) =>
            {
                self.system(name)
            }
            [name] => match name.strip_prefix("@@") {
                Some(system) => self.system(system),
                None => {
                    let user = name.trim_start_matches('@').to_lowercase();
                    Some(
                        self.0
                            .user_variables
                            .get(&user)
                            .cloned()
                            .unwrap_or(ScalarValue::Utf8(None)),
                    )
                }
            },
            _ => None,
        }
    }
}

impl VarProvider for SessionVariables {
    fn get_value(&self, names: Vec<String>) -> Result<ScalarValue, DataFusionError> {
        match self.find(&names) {
            Some(value) => Ok(value),
            None => plan_err!("Unknown system variable '{}'", names.join(".")),
        }
    }

    fn get_type(&self, names: &[String]) -> Option<DataType> {
        self.find(names).map(|value| value.data_type())
    }
}
