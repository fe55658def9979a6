//! Every type of MariaDB, once: name, definition, what to select for it, how to compare, two values.

/// How a value of an event is compared with the text that `SELECT` gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Text,
    /// A JSON number with the same digits.
    Number,
}

pub struct Column {
    pub name: &'static str,
    pub definition: &'static str,
    pub select: &'static str,
    pub by: By,
    pub values: [&'static str; 2],
}

pub fn columns() -> Vec<Column> {
    let column = |line: &'static str| {
        let fields: Vec<_> = line.split(" | ").collect();
        let [name, definition, select, by, first, second] = fields[..] else {
            panic!("six fields: {line}")
        };
        let by = if by == "number" { By::Number } else { By::Text };
        Column {
            name,
            definition,
            select,
            by,
            values: [first, second],
        }
    };
    TABLE.trim().lines().map(column).collect()
}

const TABLE: &str = r#"
ti | TINYINT | ti | number | -128 | 127
tu | TINYINT UNSIGNED | tu | number | 255 | NULL
si | SMALLINT | si | number | -32768 | 1
mu | MEDIUMINT UNSIGNED | mu | number | 16777215 | 0
mi | MEDIUMINT | mi | number | -8388608 | -1
bu | BIGINT UNSIGNED ZEROFILL | bu+0 | number | 18446744073709551615 | 7
bi | BIGINT | bi | number | -9223372036854775808 | NULL
f | FLOAT | f | number | 1.5 | -0.25
d | DOUBLE | d | number | 2.25 | -1024.5
de | DECIMAL(20,5) | de | text | -123.45 | 999999999999999.99999
b | BIT(13) | b+0 | number | b'1000000000001' | b'0'
y | YEAR | y+0 | number | 2024 | 0
da | DATE | da | text | '2024-02-29' | '1000-01-01'
t0 | TIME | t0 | text | '-838:59:59' | '00:00:00'
t6 | TIME(6) | t6 | text | '-00:00:00.500001' | '838:59:58.999999'
dt | DATETIME | dt | text | '9999-12-31 23:59:59' | NULL
dt3 | DATETIME(3) | dt3 | text | '2024-01-02 03:04:05.678' | '2024-01-02 03:04:05'
ts | TIMESTAMP NULL | ts | text | '2024-01-02 03:04:05' | '2038-01-19 03:14:07'
ts6 | TIMESTAMP(6) NULL | ts6 | text | '2024-03-31 02:30:00.000001' | NULL
c | CHAR(10) | c | text | 'é😀' | ''
v | VARCHAR(300) | v | text | REPEAT('ab', 150) | 'x'
vl | VARCHAR(20) CHARACTER SET latin1 | vl | text | 'café €' | NULL
uca | VARCHAR(20) COLLATE utf8mb4_uca1400_ai_ci | uca | text | 'ß' | '日本'
nop | VARCHAR(20) COLLATE utf8mb3_nopad_bin | nop | text | 'a ' | 'b'
cro | CHAR(5) CHARACTER SET utf8mb4 COLLATE utf8mb4_croatian_ci | cro | text | 'ćč' | 'd'
bin | BINARY(8) | TO_BASE64(bin) | text | 'bin' | ''
vb | VARBINARY(20) | TO_BASE64(vb) | text | X'00FF00' | ''
tx | TEXT | tx | text | REPEAT('text ', 999) | NULL
lb | LONGBLOB | TO_BASE64(lb) | text | X'DEADBEEF00' | ''
e | ENUM('a','b,''c','ž') | e | text | 'b,''c' | 'ž'
s | SET('x','y','z') | s | text | 'x,z' | ''
j | JSON | j | text | '{"a": [1, 2.50], "b": "é"}' | 'null'
g | POINT | TO_BASE64(g) | text | POINT(1, -2) | NULL
u | UUID | TO_BASE64(UNHEX(REPLACE(u, '-', ''))) | text | '123e4567-e89b-12d3-a456-426655440000' | NULL
i6 | INET6 | TO_BASE64(INET6_ATON(i6)) | text | '2001:db8::ff00:42:8329' | '::'
i4 | INET4 | TO_BASE64(INET6_ATON(i4)) | text | '10.1.2.3' | '0.0.0.0'
inv | INT INVISIBLE | inv | number | 3 | 4
zv | VARCHAR(300) COMPRESSED | zv | text | REPEAT('abc', 90) | 'short'
zs | VARCHAR(20) COMPRESSED | zs | text | '' | 's'
zb | VARBINARY(300) COMPRESSED | TO_BASE64(zb) | text | REPEAT(X'00', 40) | NULL
zt | TEXT COMPRESSED CHARACTER SET latin1 | zt | text | REPEAT('hé', 9000) | ''
zl | MEDIUMBLOB COMPRESSED | TO_BASE64(zl) | text | REPEAT('long', 50000) | X'00'
"#;
