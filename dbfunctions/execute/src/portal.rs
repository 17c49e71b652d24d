//! A result being sent: rows of an operator or of a buffer, encoded as the client wants them, in windows.

use crate::session_state::SessionState;
use crate::shared::{ReplyTo, Shared};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use vireo_abi::chunk::Chunk;
use vireo_abi::ids::RequestId;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::message::execute::ExecuteReply;
use vireo_abi::sql_type::SqlType;
use vireo_query::copy;
use vireo_query::exec::{ExecContext, Operator};
use vireo_query::plan::{Body, CopyOptions, Plan};
use vireo_query::row::wire;
use vireo_query::types::output::TextFormat;

/// Bytes after which rows are sent.
const PIECE_BYTES: usize = 32 << 10;

/// Where the rows come from.
pub enum Rows {
    /// A plan's root.
    Operator(Box<dyn Operator>),
    /// Chunks that are there already.
    Buffered(VecDeque<Chunk>),
}

impl Rows {
    async fn next(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        match self {
            Rows::Operator(operator) => operator.next(cx).await,
            Rows::Buffered(chunks) => Ok(chunks.pop_front()),
        }
    }
}

/// The command tag, which may need the number of rows.
pub enum Tag {
    /// As it is.
    Fixed(String),
    /// This word and the rows sent.
    Counted(&'static str),
}

/// How far a window of rows came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// To the window's end; there may be more.
    Suspended,
    /// To the end of the rows.
    Done,
}

/// How rows go out.
enum Encoding {
    DataRows {
        binary: Vec<bool>,
    },
    Copy {
        options: CopyOptions,
        names: Vec<String>,
        has_begun: bool,
    },
}

/// A result being sent.
pub struct Portal {
    rows: Rows,
    cx: ExecContext,
    types: Vec<SqlType>,
    encoding: Encoding,
    format: TextFormat,
    tag: Tag,
    sent: u64,
    /// Rows of the last chunk that the window did not take.
    rest: Option<Chunk>,
}

impl Portal {
    /// A portal before its first row.
    ///
    /// # Errors
    /// 08P01 when the formats asked for do not fit the columns.
    pub fn new(
        plan: &Rc<Plan>,
        rows: Rows,
        cx: ExecContext,
        binary: &[bool],
        tag: Tag,
    ) -> SqlResult<Portal> {
        let types = plan.results.clone();
        let encoding = match &plan.body {
            Body::CopyTo {
                options,
                column_names,
                ..
            } => Encoding::Copy {
                options: options.clone(),
                names: column_names.clone(),
                has_begun: false,
            },
            _ => Encoding::DataRows {
                binary: match binary {
                    [] => vec![false; types.len()],
                    [one] => vec![*one; types.len()],
                    each if each.len() == types.len() => each.to_vec(),
                    each => {
                        return Err(SqlError::new(
                            state::PROTOCOL_VIOLATION,
                            format!(
                                "bind message has {} result formats but query has {} columns",
                                each.len(),
                                types.len()
                            ),
                        ));
                    }
                },
            },
        };
        let format = TextFormat::new(&cx.eval.format);
        Ok(Portal {
            rows,
            cx,
            types,
            encoding,
            format,
            tag,
            sent: 0,
            rest: None,
        })
    }

    /// The command tag.
    pub fn tag(&self) -> String {
        match &self.tag {
            Tag::Fixed(tag) => tag.clone(),
            Tag::Counted(word) => format!("{word} {}", self.sent),
        }
    }

    /// Sends up to `max_rows` rows, or all for 0.
    pub async fn send(
        &mut self,
        shared: &Shared,
        state: &SessionState,
        request: RequestId,
        max_rows: u32,
    ) -> SqlResult<Progress> {
        let ReplyTo { port, session } = state.to;
        let mut bytes = Vec::new();
        self.begin(shared, state, request, &mut bytes);
        let mut left = if max_rows == 0 {
            usize::MAX
        } else {
            max_rows as usize
        };
        let progress = loop {
            if left == 0 {
                break Progress::Suspended;
            }
            let next = match self.rest.take() {
                Some(chunk) => Some(chunk),
                None => self.rows.next(&self.cx).await?,
            };
            let Some(chunk) = next else {
                break Progress::Done;
            };
            let chunk = self.cut(chunk, left);
            left -= chunk.rows();
            self.sent += chunk.rows() as u64;
            self.encode(&chunk, &mut bytes);
            if bytes.len() >= PIECE_BYTES {
                let body = core::mem::take(&mut bytes);
                shared.reply(port, &ExecuteReply::Rows { session, request }, body);
                shared.wait_for_room(port).await;
                state.check_canceled()?;
            }
        };
        if !bytes.is_empty() {
            shared.reply(port, &ExecuteReply::Rows { session, request }, bytes);
        }
        Ok(progress)
    }

    /// The first `most` rows of `chunk`; the others are kept.
    fn cut(&mut self, chunk: Chunk, most: usize) -> Chunk {
        if chunk.rows() <= most {
            return chunk;
        }
        let (most, rows) = (most as u32, chunk.rows() as u32);
        let rest: Vec<u32> = (most..rows).collect();
        self.rest = Some(chunk.take(&rest));
        let first: Vec<u32> = (0..most).collect();
        chunk.take(&first)
    }

    /// COPY tells the client that it begins.
    fn begin(
        &mut self,
        shared: &Shared,
        state: &SessionState,
        request: RequestId,
        bytes: &mut Vec<u8>,
    ) {
        if let Encoding::Copy {
            options,
            names,
            has_begun,
        } = &mut self.encoding
            && !*has_begun
        {
            *has_begun = true;
            let ReplyTo { port, session } = state.to;
            let columns = self.types.len() as u16;
            shared.reply(
                port,
                &ExecuteReply::CopyOut {
                    session,
                    request,
                    columns,
                },
                Vec::new(),
            );
            copy::write_header(names, options, bytes);
        }
    }

    fn encode(&self, chunk: &Chunk, bytes: &mut Vec<u8>) {
        let format = &self.format;
        match &self.encoding {
            Encoding::DataRows { binary } => {
                wire::data_rows(&self.types, binary, chunk, format, bytes);
            }
            Encoding::Copy { options, .. } => {
                copy::write_rows(&self.types, chunk, options, format, bytes);
            }
        }
    }
}
