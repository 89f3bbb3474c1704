//! The demo's data: orders that come and change, and clicks.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::Utc;
use fluss::metadata::DataTypes;
use rand::Rng;
use rand::rngs::ThreadRng;
use rand::seq::IndexedRandom;

use crate::cluster::{Credentials, TableSpec, connect};
use crate::error::Result;
use crate::value::Value;
use crate::writer::Writer;

/// How far the lake may lag behind, so that the demo shows rows in both places.
const FRESHNESS: Duration = Duration::from_secs(4);

/// Rows are written in rounds of this length.
const ROUND: Duration = Duration::from_millis(100);

/// Orders that may still change; older ones are left alone.
const OPEN_ORDERS: usize = 5_000;

const CITIES: [&str; 8] =
    ["Berlin", "Hamburg", "Köln", "Lyon", "Madrid", "Oslo", "Tokyo", "Zürich"];
const CUSTOMERS: [&str; 6] = ["Ada", "Edgar", "Grace", "Jim", "Margaret", "Tony"];
const STATUS: [&str; 4] = ["created", "paid", "shipped", "delivered"];
const COUNTRIES: [&str; 5] = ["DE", "ES", "FR", "JP", "NO"];
const PAGES: [&str; 5] = ["/", "/cart", "/checkout", "/search", "/product"];

/// `shop.orders`, a primary-key table.
pub fn orders() -> TableSpec {
    TableSpec::new("shop", "orders")
        .column("order_id", DataTypes::bigint())
        .column("customer", DataTypes::string())
        .column("city", DataTypes::string())
        .column("amount", DataTypes::decimal(10, 2))
        .column("status", DataTypes::string())
        .column("updated_at", DataTypes::timestamp_with_precision(3))
        .primary_key(["order_id"])
        .buckets(2)
        .lake(FRESHNESS)
}

/// `shop.clicks`, a log table.
pub fn clicks() -> TableSpec {
    TableSpec::new("shop", "clicks")
        .column("user_id", DataTypes::bigint())
        .column("url", DataTypes::string())
        .column("country", DataTypes::string())
        .column("at", DataTypes::timestamp_with_precision(3))
        .buckets(2)
        .lake(FRESHNESS)
}

/// Writes until it fails or is dropped: `rate` rows a second, half of them clicks. Creates what is missing.
pub async fn write(bootstrap: &str, sasl: Option<&Credentials>, rate: u32) -> Result<()> {
    let connection = connect(bootstrap, sasl).await?;
    let admin = connection.get_admin()?;
    orders().create(&admin).await?;
    clicks().create(&admin).await?;
    let mut orders = Writer::over(connection, orders().path()).await?;
    let mut clicks = Writer::over(connect(bootstrap, sasl).await?, clicks().path()).await?;
    let mut shop = Shop::new();
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut due = 0.0;
    loop {
        rounds.tick().await;
        due += f64::from(rate) * ROUND.as_secs_f64() / 2.0;
        while due >= 1.0 {
            due -= 1.0;
            clicks.write(&shop.click()).await?;
            match shop.order() {
                Change::Upsert(row) => orders.write(&row).await?,
                Change::Delete(row) => orders.delete(&row).await?,
            }
        }
        clicks.flush().await?;
        orders.flush().await?;
    }
}

enum Change {
    Upsert(Vec<Value>),
    Delete(Vec<Value>),
}

/// The orders that may still change, oldest first.
struct Shop {
    random: ThreadRng,
    next_id: i64,
    open: VecDeque<Order>,
}

#[derive(Clone)]
struct Order {
    id: i64,
    customer: &'static str,
    city: &'static str,
    cents: i64,
    status: usize,
}

impl Shop {
    /// Ids go on from the clock, so that a second run adds orders instead of changing those of the first.
    fn new() -> Self {
        let next_id = Utc::now().timestamp_millis() * 1_000;
        Self { random: rand::rng(), next_id, open: VecDeque::new() }
    }

    /// Six in ten are new orders, three move an order on, one cancels it.
    fn order(&mut self) -> Change {
        let dice = self.random.random_range(0..10);
        if dice < 6 || self.open.is_empty() {
            return Change::Upsert(self.create());
        }
        let index = self.random.random_range(0..self.open.len());
        if dice == 9
            && let Some(order) = self.open.swap_remove_back(index)
        {
            return Change::Delete(order.row());
        }
        match self.open.get_mut(index) {
            Some(order) => {
                order.status = (order.status + 1).min(STATUS.len() - 1);
                Change::Upsert(order.row())
            }
            None => Change::Upsert(self.create()),
        }
    }

    fn create(&mut self) -> Vec<Value> {
        let order = Order {
            id: self.next_id,
            customer: pick(&mut self.random, &CUSTOMERS),
            city: pick(&mut self.random, &CITIES),
            cents: self.random.random_range(100..100_000),
            status: 0,
        };
        self.next_id += 1;
        let row = order.row();
        self.open.push_back(order);
        if self.open.len() > OPEN_ORDERS {
            self.open.pop_front();
        }
        row
    }

    fn click(&mut self) -> Vec<Value> {
        vec![
            Value::BigInt(self.random.random_range(1..=1_000)),
            pick(&mut self.random, &PAGES).into(),
            pick(&mut self.random, &COUNTRIES).into(),
            now(),
        ]
    }
}

impl Order {
    fn row(&self) -> Vec<Value> {
        vec![
            Value::BigInt(self.id),
            self.customer.into(),
            self.city.into(),
            Value::decimal(i128::from(self.cents), 10, 2),
            STATUS.get(self.status).copied().into(),
            now(),
        ]
    }
}

fn pick(random: &mut ThreadRng, from: &[&'static str]) -> &'static str {
    from.choose(random).copied().unwrap_or_default()
}

/// Whole milliseconds, as the columns hold.
fn now() -> Value {
    Value::Timestamp(Utc::now().timestamp_millis() * 1_000)
}
