//! Capability flags, of which a session has those that both sides have.

/// The client is a MySQL client, not a MariaDB one that asks for MariaDB's extensions.
pub const LONG_PASSWORD: u32 = 1;
/// Affected rows are found rows.
pub const FOUND_ROWS: u32 = 1 << 1;
/// Long column flags.
pub const LONG_FLAG: u32 = 1 << 2;
/// A database at login.
pub const CONNECT_WITH_DB: u32 = 1 << 3;
/// Compressed frames by zlib.
pub const COMPRESS: u32 = 1 << 5;
/// An ODBC client.
pub const ODBC: u32 = 1 << 6;
/// Spaces before parentheses.
pub const IGNORE_SPACE: u32 = 1 << 8;
/// The protocol since 4.1.
pub const PROTOCOL_41: u32 = 1 << 9;
/// `interactive_timeout` counts.
pub const INTERACTIVE: u32 = 1 << 10;
/// TLS.
pub const SSL: u32 = 1 << 11;
/// No SIGPIPE on the client's side.
pub const IGNORE_SIGPIPE: u32 = 1 << 12;
/// Status flags in OK packets.
pub const TRANSACTIONS: u32 = 1 << 13;
/// Authentication since 4.1.
pub const SECURE_CONNECTION: u32 = 1 << 15;
/// Several statements in one text.
pub const MULTI_STATEMENTS: u32 = 1 << 16;
/// Several results for one text.
pub const MULTI_RESULTS: u32 = 1 << 17;
/// Several results of a prepared statement.
pub const PS_MULTI_RESULTS: u32 = 1 << 18;
/// Authentication plugins by name.
pub const PLUGIN_AUTH: u32 = 1 << 19;
/// Attributes of the client at login.
pub const CONNECT_ATTRS: u32 = 1 << 20;
/// Authentication data longer than 255 bytes.
pub const PLUGIN_AUTH_LENENC: u32 = 1 << 21;
/// OK packets in place of EOF packets.
pub const DEPRECATE_EOF: u32 = 1 << 24;

/// Compressed frames by zstd.
pub const ZSTD_COMPRESSION: u32 = 1 << 26;

/// What this server has. Left out: LOCAL_FILES (security), QUERY_ATTRIBUTES (another layout of queries),
/// SESSION_TRACK.
pub const SERVER: u32 = LONG_PASSWORD
    | FOUND_ROWS
    | LONG_FLAG
    | CONNECT_WITH_DB
    | COMPRESS
    | ODBC
    | IGNORE_SPACE
    | PROTOCOL_41
    | INTERACTIVE
    | IGNORE_SIGPIPE
    | TRANSACTIONS
    | SECURE_CONNECTION
    | MULTI_STATEMENTS
    | MULTI_RESULTS
    | PS_MULTI_RESULTS
    | PLUGIN_AUTH
    | CONNECT_ATTRS
    | PLUGIN_AUTH_LENENC
    | DEPRECATE_EOF
    | ZSTD_COMPRESSION;

/// Status: `BEGIN` was said and no end of it.
pub const STATUS_IN_TRANSACTION: u16 = 1;
/// Status: every statement is its own transaction.
pub const STATUS_AUTOCOMMIT: u16 = 2;
/// Status: another result follows.
pub const STATUS_MORE_RESULTS: u16 = 8;
/// Status: rows are to be fetched from a cursor.
pub const STATUS_CURSOR_EXISTS: u16 = 0x40;
/// Status: the cursor has no more rows.
pub const STATUS_LAST_ROW_SENT: u16 = 0x80;
