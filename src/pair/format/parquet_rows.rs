//! Rows of Parquet files.

use parquet::file::reader::{ChunkReader, FileReader as _, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use serde_json::{Number, Value};

use super::{Raw, Record, Row};
use crate::pair::Problem;

/// Number of rows of a Parquet file.
///
/// # Errors
/// Tells what is wrong with the file.
pub fn row_count<R: ChunkReader + 'static>(file: R) -> Result<u64, String> {
    let reader = SerializedFileReader::new(file).map_err(|error| error.to_string())?;
    Ok(u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or(0))
}

/// Rows of a file. Keys that are null are left out: columns of nested records name every key in
/// every row, so that a null says nothing.
pub(super) fn records<R: ChunkReader + 'static>(
    file: R,
) -> Box<dyn Iterator<Item = Result<Row, Problem>>> {
    let reader = match SerializedFileReader::new(file) {
        Ok(reader) => RowIter::from_file_into(Box::new(reader)),
        Err(error) => {
            return Box::new(std::iter::once(Err(Problem { line: 1, reason: error.to_string() })));
        }
    };
    let mut ended = false;
    let rows = (1..).zip(reader).map_while(move |(place, row)| {
        if ended {
            return None;
        }
        Some(match row {
            Ok(row) => {
                let cells = row.get_column_iter();
                Ok(Row { place, raw: Raw::Record(cells.filter_map(member).collect()) })
            }
            Err(error) => {
                ended = true;
                Err(Problem { line: place, reason: format!("reading stops here: {error}") })
            }
        })
    });
    Box::new(rows)
}

fn member((name, field): (&String, &Field)) -> Option<(String, Value)> {
    value(field).map(|value| (name.clone(), value))
}

/// A field as JSON; none for null and for what JSON cannot say.
fn value(field: &Field) -> Option<Value> {
    Some(match field {
        Field::Null => return None,
        Field::Bool(truth) => Value::Bool(*truth),
        Field::Byte(n) => Value::from(*n),
        Field::Short(n) => Value::from(*n),
        Field::Int(n) => Value::from(*n),
        Field::Long(n) => Value::from(*n),
        Field::UByte(n) => Value::from(*n),
        Field::UShort(n) => Value::from(*n),
        Field::UInt(n) => Value::from(*n),
        Field::ULong(n) => Value::from(*n),
        Field::Float16(n) => Value::Number(Number::from_f64(f64::from(*n))?),
        Field::Float(n) => Value::Number(Number::from_f64(f64::from(*n))?),
        Field::Double(n) => Value::Number(Number::from_f64(*n)?),
        Field::Str(text) => Value::String(text.clone()),
        // Writers that leave the column's type out mean text.
        Field::Bytes(bytes) => Value::String(String::from_utf8(bytes.data().to_vec()).ok()?),
        Field::Group(row) => Value::Object(row.get_column_iter().filter_map(member).collect()),
        Field::ListInternal(list) => {
            Value::Array(list.elements().iter().filter_map(value).collect())
        }
        Field::MapInternal(map) => {
            let entries = map.entries().iter().filter_map(|(key, field)| {
                let key = value(key)?;
                let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                Some((name, value(field)?))
            });
            Value::Object(entries.collect::<Record>())
        }
        // Dates and decimals, as the reader prints them.
        other => Value::String(other.to_string()),
    })
}
