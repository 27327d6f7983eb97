//! The CSV consumer's file (paper §4.3): one line for each record, under a header with the record's columns.
//!
//! In: records. Out: a file that spreadsheets and scripts read. Quoting follows RFC 4180; lines end with a
//! line feed alone, as the tools that scripts use expect. A value that a spreadsheet would take for a formula
//! gets an apostrophe in front, since parts of a record come from other peers.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use crate::arm::ArmRecord;
use crate::error::CsvError;

/// A CSV file of records that is being written.
///
/// Blocking: call it where blocking is allowed. Dropping it writes what is buffered, without the promise of
/// [`Self::commit`].
#[derive(Debug)]
pub struct CsvFile {
    path: PathBuf,
    writer: ::csv::Writer<BufWriter<File>>,
}

impl CsvFile {
    /// Creates the file at `path` and writes the header; a file that is there is overwritten.
    ///
    /// # Errors
    /// [`CsvError`] with the path and what the system said.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, CsvError> {
        let path = path.as_ref().to_path_buf();
        let file = match File::create(&path) {
            Ok(file) => file,
            Err(source) => return Err(CsvError::Create { path, source }),
        };
        let mut created = Self { path, writer: ::csv::Writer::from_writer(BufWriter::new(file)) };
        let header = created.writer.write_record(ArmRecord::COLUMNS);
        created.written(header.map_err(io::Error::from))?;
        created.commit()?;
        Ok(created)
    }

    /// Appends one line for each record; it is in the file for certain after the next [`Self::commit`].
    ///
    /// # Errors
    /// [`CsvError::Write`]; some of the records may have been written.
    pub fn append(&mut self, records: &[ArmRecord]) -> Result<(), CsvError> {
        for record in records {
            let fields = record.fields();
            let line = self.writer.write_record(fields.iter().map(|field| neutralized(field).into_owned()));
            self.written(line.map_err(io::Error::from))?;
        }
        Ok(())
    }

    /// Writes what is buffered and waits until the disk has it.
    ///
    /// # Errors
    /// [`CsvError::Write`]; records since the last commit may be lost.
    pub fn commit(&mut self) -> Result<(), CsvError> {
        let flushed = self.writer.flush().and_then(|()| self.writer.get_ref().get_ref().sync_data());
        self.written(flushed)
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn written(&self, result: io::Result<()>) -> Result<(), CsvError> {
        result.map_err(|source| CsvError::Write { path: self.path.clone(), source })
    }
}

/// The value with an apostrophe in front when a spreadsheet would take it for a formula.
fn neutralized(field: &str) -> Cow<'_, str> {
    if field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        Cow::Owned(format!("'{field}"))
    } else {
        Cow::Borrowed(field)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use overlay::PeerId;

    use super::*;
    use crate::arm::Status;

    fn named(transaction: &str) -> ArmRecord {
        ArmRecord { transaction: Arc::from(transaction), ..ArmRecord::empty(PeerId::random()) }
    }

    #[test]
    fn a_new_file_has_the_header_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("records.csv");
        fs::write(&path, "old").unwrap();
        let _file = CsvFile::create(&path).unwrap();
        let header = "at,peer,transaction,dest,dest_status,corr,status,response_us,hold_us,path,reason,\
                      queue_us,lookup_us,dial_us,network_us\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), header);
    }

    #[test]
    fn committed_records_are_one_line_each_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = CsvFile::create(dir.path().join("records.csv")).unwrap();
        let record = ArmRecord { status: Status::Good, response_us: Some(850), ..named("presence.ping") };
        file.append(&[record.clone(), named("a,\"b\"")]).unwrap();
        file.commit().unwrap();

        let mut reader = ::csv::Reader::from_path(file.path()).unwrap();
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows[0].iter().collect::<Vec<_>>(), record.fields());
        assert_eq!((&rows[1][2], rows.len()), ("a,\"b\"", 2));
    }

    #[test]
    fn a_value_that_looks_like_a_formula_is_text() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = CsvFile::create(dir.path().join("records.csv")).unwrap();
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            file.append(&[named(formula)]).unwrap();
        }
        file.commit().unwrap();
        let mut reader = ::csv::Reader::from_path(file.path()).unwrap();
        assert_eq!(reader.records().filter(|row| row.as_ref().unwrap()[2].starts_with('\'')).count(), 7);
    }

    #[test]
    fn a_path_that_cannot_be_written_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let refused = CsvFile::create(dir.path().join("missing/records.csv")).unwrap_err();
        assert!(refused.to_string().ends_with("missing/records.csv"), "{refused}");
        assert!(matches!(refused, CsvError::Create { .. }));
    }
}
