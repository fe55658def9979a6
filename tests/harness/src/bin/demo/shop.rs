//! A small shop whose rows never rest.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Context;
use headwater_harness::mysql::MySql;
use mysql_async::{Conn, prelude::Queryable};

const SCHEMA: &str = "
    CREATE DATABASE shop;
    CREATE TABLE shop.customers (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) NOT NULL,
        tier ENUM('basic', 'plus', 'gold') NOT NULL, since DATE NOT NULL);
    CREATE TABLE shop.products (id INT PRIMARY KEY, name VARCHAR(40) NOT NULL, price DECIMAL(8,2) NOT NULL,
        stock INT NOT NULL, tags JSON);
    CREATE TABLE shop.orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, customer_id INT NOT NULL,
        status ENUM('new', 'paid', 'shipped') NOT NULL, total DECIMAL(10,2) NOT NULL,
        placed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6));
    CREATE TABLE shop.order_lines (order_id BIGINT, line TINYINT, product_id INT NOT NULL, quantity INT NOT NULL,
        PRIMARY KEY (order_id, line));
    INSERT INTO shop.products VALUES (1, 'Kettle', 39.90, 500, '{\"room\": \"kitchen\"}'),
        (2, 'Teapot', 24.50, 500, '[\"new\", \"blue\"]'), (3, 'Cup', 6.00, 500, NULL), (4, 'Spoon', 2.25, 500, NULL)";

const NAMES: &[&str] = &[
    "Ada", "Björn", "Chiara", "Dmitri", "Émile", "Fatima", "小林",
];

/// Transactions a second, about.
const PACE: Duration = Duration::from_millis(4);

pub async fn create(server: &MySql) -> anyhow::Result<()> {
    server.exec(SCHEMA).await
}

pub async fn add_column(server: &MySql) -> anyhow::Result<()> {
    server
        .exec("ALTER TABLE shop.orders ADD COLUMN gift BOOLEAN NOT NULL DEFAULT FALSE AFTER total")
        .await
}

/// Inserts, updates and deletes until stopped.
pub struct Writer {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<anyhow::Result<u64>>,
}

impl Writer {
    pub async fn start(server: &MySql) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let conn = server.conn().await?;
        let task = tokio::spawn(write(conn, Arc::clone(&stop)));
        Ok(Self { stop, task })
    }

    /// The transactions that it made.
    pub async fn stop(self) -> anyhow::Result<u64> {
        self.stop.store(true, Relaxed);
        self.task.await.context("the writer panicked")?
    }
}

async fn write(mut conn: Conn, stop: Arc<AtomicBool>) -> anyhow::Result<u64> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut transactions = 0;
    let mut ticks = tokio::time::interval(PACE);
    while !stop.load(Relaxed) {
        ticks.tick().await;
        let statements = next(&mut random);
        conn.query_drop(&statements)
            .await
            .with_context(|| format!("run `{statements}`"))?;
        transactions += 1;
    }
    conn.disconnect().await.context("leave the server")?;
    Ok(transactions)
}

fn next(random: &mut fastrand::Rng) -> String {
    match random.u8(..10) {
        0 => {
            let name = random.choice(NAMES).unwrap_or(&"Ada");
            format!("INSERT INTO shop.customers (name, tier, since) VALUES ('{name}', 'basic', CURRENT_DATE)")
        }
        1..6 => {
            let (customer, product) = (random.u32(1..50), random.u32(1..=4));
            let quantity = random.u32(1..5);
            format!(
                "BEGIN; \
                 INSERT INTO shop.orders (customer_id, status, total) SELECT {customer}, 'new', price * {quantity} FROM shop.products WHERE id = {product}; \
                 SET @id = LAST_INSERT_ID(); \
                 INSERT INTO shop.order_lines VALUES (@id, 1, {product}, {quantity}), (@id, 2, {}, 1); \
                 UPDATE shop.products SET stock = stock - {quantity} WHERE id = {product}; COMMIT",
                product % 4 + 1
            )
        }
        6..8 => "UPDATE shop.orders SET status = status % 3 + 1 ORDER BY id DESC LIMIT 3".to_owned(),
        8 => "BEGIN; SET @id = (SELECT MIN(id) FROM shop.orders); DELETE FROM shop.order_lines WHERE order_id = @id; \
              DELETE FROM shop.orders WHERE id = @id; COMMIT"
            .to_owned(),
        _ => "UPDATE shop.products SET stock = stock + 25 WHERE stock < 100".to_owned(),
    }
}
