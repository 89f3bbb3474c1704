// mysql2 for Node.js: the checks of queries.json; prepared statements in binary.
"use strict";

const fs = require("fs");
const mysql = require("mysql2/promise");

const [host, port, database, lockedPort, password, queries] = process.argv.slice(2);
const checks = JSON.parse(fs.readFileSync(queries, "utf8"));

// everything that a JavaScript number would change comes as text
const exact = { dateStrings: true, supportBigNumbers: true, bigNumberStrings: true, rowsAsArray: true };

// mysql2's own reading of large floating-point texts is inexact
function typeCast(field, next) {
  if (field.type !== "FLOAT" && field.type !== "DOUBLE") return next();
  const text = field.string();
  return text === null ? null : Number(text);
}

function connect(options = {}) {
  return mysql.createConnection({ host, port, user: "root", multipleStatements: true, ...exact, ...options });
}

function canonical(value) {
  if (value === null) return null;
  if (Buffer.isBuffer(value)) return "0x" + value.toString("hex").toUpperCase();
  const text = String(value);
  return /^(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d+$/.test(text) ? text.replace(/\.?0+$/, "") : text;
}

function parameter(given) {
  const [[kind, text]] = Object.entries(given);
  if (kind === "int") {
    const number = Number(text);
    return Number.isSafeInteger(number) ? number : BigInt(text);
  }
  return kind === "double" ? Number(text) : text;
}

async function check(name, act) {
  let answer;
  try {
    answer = { rows: (await act()).map((row) => row.map(canonical)) };
  } catch (error) {
    if (!error.errno || error.errno < 0) throw error;
    answer = { error: error.errno };
  }
  console.log(JSON.stringify({ check: name, ...answer }));
}

async function query(connection, sql) {
  const filled = sql.replaceAll("{slow}", checks.slow).replaceAll("{database}", database);
  const [rows] = await connection.query({ sql: filled, typeCast });
  return Array.isArray(rows) ? rows : [];
}

async function one(connection, { set, sql, then }) {
  if (set) await query(connection, set);
  try {
    return await query(connection, sql);
  } finally {
    if (then) await query(connection, then);
  }
}

// all rows of all executions of one statement
async function prepared(connection, sql, executions) {
  const statement = await connection.prepare(sql);
  const rows = [];
  for (const parameters of executions) rows.push(...(await statement.execute(parameters))[0]);
  // `statement.close()` would leave the closed statement in the driver's cache
  connection.unprepare(sql);
  return rows;
}

async function killWhenSeen(sql) {
  const connection = await connect();
  const until = Date.now() + 10_000;
  while (Date.now() < until) {
    const rows = await query(connection, "SHOW FULL PROCESSLIST");
    const slow = rows.find((row) => row[7] === sql);
    if (slow) {
      await query(connection, `KILL QUERY ${slow[0]}`);
      break;
    }
  }
  await connection.end();
}

async function session(connection) {
  const twice = "SELECT id FROM types WHERE id = ?";
  await check("ping", async () => (await connection.ping(), []));
  await check("use", async () => {
    const other = await connect();
    await other.changeUser({ user: "root", database });
    const rows = await query(other, "SELECT database()");
    await other.end();
    return rows;
  });
  await check("several statements", async () => (await query(connection, "SELECT 1; SELECT 'two'; SELECT 3")).flat());
  await check("prepared twice", () => prepared(connection, twice, [[1], [4]]));
  await check("prepare an error", () => prepared(connection, "SELECT * FROM nothing WHERE id = ?", [[1]]));
  await check("warnings", async () => {
    await query(connection, "SELECT * FROM nothing").catch(() => {});
    return query(connection, "SHOW COUNT(*) WARNINGS");
  });
  await check("compressed", async () => {
    const other = await connect({ database, compress: true });
    const rows = await query(other, "SELECT * FROM types ORDER BY id");
    await other.end();
    return rows;
  });
  await check("kill query", async () => {
    // other clients may ask the same at this time
    const slow = checks.slow.replace("count(*)", `count(*) AS of_${process.pid}`);
    const killer = killWhenSeen(slow);
    try {
      return await query(connection, slow);
    } finally {
      await killer;
    }
  });
  await check("after kill query", () => query(connection, "SELECT 1"));
}

async function login(options) {
  const connection = await connect({ port: lockedPort, password, ...options });
  const rows = await query(connection, "SELECT 1");
  if (options.ssl && !connection.connection.stream.encrypted) throw new Error("no TLS");
  await connection.end();
  return rows;
}

async function logins() {
  // the certificate of a test is nobody's
  const ssl = { rejectUnauthorized: false };
  await check("plain login", () => login({}));
  await check("TLS login", () => login({ ssl }));
  await check("wrong password", () => login({ password: "wrong" }));
  await check("wrong password, TLS", () => login({ password: "wrong", ssl }));
  await check("no password", () => login({ password: "" }));
  await check("unknown database at login", () => login({ database: "nowhere.nothing" }));
}

async function all() {
  let connection = await connect({ database });
  for (const each of checks.queries) await check(each.name, () => one(connection, each));
  for (const { name, sql, parameters } of checks.prepared) {
    await check(name, () => prepared(connection, sql, [parameters.map(parameter)]));
  }
  for (const each of checks.errors) {
    await check(each.name, () => one(connection, each));
    await check("after " + each.name, () => query(connection, "SELECT 1"));
  }
  await session(connection);
  await check("reset", async () => {
    await query(connection, "SET time_zone = '+03:00'");
    // mysql2 has no COM_RESET_CONNECTION; COM_CHANGE_USER does the same
    await connection.changeUser({ user: "root", database });
    return query(connection, "SELECT @@time_zone");
  });
  await check("reconnect", async () => {
    await connection.end();
    connection = await connect({ database });
    return query(connection, "SELECT 1");
  });
  await logins();
  await connection.end();
  for (const name of ["cursor", "empty cursor", "cursor left in the middle"]) {
    console.log(JSON.stringify({ check: name, skipped: "asks for no cursor" }));
  }
  for (const [name, why] of [["query timeout", "its timeout closes the connection"], ["native password", "takes what the server offers"]]) {
    console.log(JSON.stringify({ check: name, skipped: why }));
  }
}

all().catch((error) => {
  console.error(error);
  process.exit(1);
});
