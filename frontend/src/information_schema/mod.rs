//! `information_schema`, the description of a catalog in tables, as MySQL's and StarRocks' clients read it.
//!
//! * [`definition`]: the tables and their columns
//! * [`wanted`]: what a query wants of them, so that no more is asked of a catalog
//! * [`objects`]: databases, tables and views of catalogs, read when they are wanted
//! * [`described`], [`server`], [`charset`]: the rows
//! * [`view`]: all of it as tables of DataFusion
//!
//! Each catalog has one, which tells of its own databases. That of the default catalog, which has no tables, tells of the
//! databases of all catalogs under their full names, `catalog.database`; the others know those of other catalogs by
//! such names too, and list them where a query asks for them.

pub mod charset;
pub mod definition;
pub mod described;
pub mod objects;
pub mod server;
pub mod view;
pub mod wanted;

use std::sync::Arc;

use crate::catalog::Catalogs;
use crate::config::FrontendSection;
use crate::session::Session;
use crate::session::process_list::ProcessList;

/// The name of the database.
pub const NAME: &str = "information_schema";

/// Whether a database is this one, in any case.
pub fn is_name(database: &str) -> bool {
    database.eq_ignore_ascii_case(NAME)
}

/// What the tables tell of.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The catalogs.
    pub catalogs: Arc<Catalogs>,
    /// The sessions.
    pub processes: Arc<ProcessList>,
    /// Tables that one query may read the columns of.
    pub tables_max: usize,
    /// What views may be.
    pub views: ViewLimits,
}

/// What views may be; each has its name in the configuration.
#[derive(Debug, Clone, Copy)]
pub struct ViewLimits {
    /// How many are kept.
    pub views_max: usize,
    /// Bytes of one text.
    pub text_bytes_max: usize,
    /// Views of views.
    pub depth_max: usize,
    /// Operators in the plan of one, with those of the views in it.
    pub plan_nodes_max: usize,
}

impl From<&FrontendSection> for ViewLimits {
    fn from(section: &FrontendSection) -> Self {
        Self {
            views_max: section.views_max,
            text_bytes_max: section.view_text_bytes_max,
            depth_max: section.view_depth_max,
            plan_nodes_max: section.view_plan_nodes_max,
        }
    }
}

/// `information_schema` of one catalog for one statement of a session.
#[derive(Debug, Clone)]
pub struct InformationSchema {
    pub(crate) sources: Sources,
    pub(crate) session: Arc<Session>,
    /// The catalog whose `information_schema` this is.
    pub(crate) catalog: String,
}

impl InformationSchema {
    /// That of a catalog.
    pub fn new(sources: Sources, session: Arc<Session>, catalog: String) -> Self {
        Self { sources, session, catalog }
    }
}
