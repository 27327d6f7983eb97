//! Length-delimited frames over a substream: an unsigned varint, then that many bytes.
//!
//! [`ReadFrames`] and [`WriteFrames`] are the two halves' states without the substream, so that a pipe can hold
//! both over one substream, or each over a half of it. A length is checked before its frame is allocated, and
//! a frame grows by what arrived. A direction ends by a farewell, a length that no frame can have: a substream that
//! was dropped, or whose connection broke, looks closed as well.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures::io::{AsyncRead, AsyncWrite};

use crate::error::{RecvError, SendError};
use crate::limits::PIPE_BUFFER_BYTES;
use crate::meters::{Frames, Tally};
use crate::wire::{WireError, frame_len, put_frame_len};

/// What has been read and is not a whole frame yet.
#[derive(Debug)]
pub(crate) struct ReadFrames {
    /// The first `filled` bytes have been read; behind them is room for the next read.
    buffer: BytesMut,
    filled: usize,
    /// Room for the next read; doubles up to `read_bytes_max` while reads fill it.
    read_bytes: usize,
    read_bytes_max: usize,
    frame_bytes_max: usize,
    /// The farewell has come.
    ended: bool,
    /// Where its frames are counted.
    tally: Option<Tally>,
}

impl ReadFrames {
    /// Frames of at most `frame_bytes_max`, read at most `read_bytes_max` at a time, and few while few come.
    pub(crate) fn new(frame_bytes_max: usize, read_bytes_max: usize) -> Self {
        let read_bytes = READ_BYTES_FIRST.min(read_bytes_max);
        Self {
            buffer: BytesMut::new(),
            filled: 0,
            read_bytes,
            read_bytes_max,
            frame_bytes_max,
            ended: false,
            tally: None,
        }
    }

    /// From now on frames of at most `frame_bytes_max`, read at most `read_bytes_max` at a time.
    pub(crate) fn grow(&mut self, frame_bytes_max: usize, read_bytes_max: usize) {
        self.frame_bytes_max = frame_bytes_max;
        self.read_bytes_max = read_bytes_max;
    }

    /// The next frame, `None` behind the farewell. Losing the future loses nothing that was read.
    pub(crate) fn poll_frame<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, RecvError>> {
        loop {
            if let Some(frame) = self.take_frame()? {
                if let Some(tally) = &self.tally {
                    tally.received(frame.len());
                }
                return Poll::Ready(Ok(Some(frame)));
            }
            if self.ended {
                return Poll::Ready(Ok(None));
            }
            self.make_room();
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let room_bytes = room.len();
            match ready!(Pin::new(&mut *io).poll_read(cx, room)) {
                Err(_) => return Poll::Ready(Err(RecvError::Reset)),
                Ok(0) if self.filled == 0 => return Poll::Ready(Err(RecvError::Reset)),
                Ok(0) => return Poll::Ready(Err(WireError::Truncated.into())),
                Ok(len) => {
                    self.filled += len;
                    if len == room_bytes {
                        self.read_bytes = (2 * self.read_bytes).min(self.read_bytes_max);
                    }
                }
            }
        }
    }

    /// Makes room for a read worth its while: in the memory of frames that are gone, if all of them are.
    fn make_room(&mut self) {
        if self.buffer.len() - self.filled < self.read_bytes.div_ceil(4) {
            self.buffer.truncate(self.filled);
            self.buffer.resize(self.filled + self.read_bytes, 0);
        }
    }

    /// A whole frame out of what has been read.
    fn take_frame(&mut self) -> Result<Option<Bytes>, WireError> {
        let read = self.buffer.get(..self.filled).unwrap_or_default();
        let length = match frame_len(read, self.frame_bytes_max) {
            Err(WireError::TooLarge { len: FAREWELL, .. }) => {
                self.ended = true;
                return Ok(None);
            }
            length => length?,
        };
        let Some((len, prefix)) = length else { return Ok(None) };
        if self.filled < prefix + len {
            return Ok(None);
        }
        self.filled -= prefix + len;
        self.buffer.advance(prefix);
        Ok(Some(self.buffer.split_to(len).freeze()))
    }
}

/// What has been accepted for sending and not been handed to the transport yet.
#[derive(Debug, Default)]
pub(crate) struct WriteFrames {
    buffer: BytesMut,
    /// The rest of a large frame, behind the buffer; it is not copied, so that a pipe keeps no room for the largest.
    body: Bytes,
    /// The farewell was put; nothing may follow.
    ended: bool,
    /// Where its frames are counted.
    tally: Option<Tally>,
}

impl WriteFrames {
    /// Whether there is room for another frame; writes until there is.
    pub(crate) fn poll_ready<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        if self.has_room() { Poll::Ready(Ok(())) } else { self.poll_write_out(io, cx, WRITE_BYTES) }
    }

    /// Whether another frame may be put without waiting.
    pub(crate) fn has_room(&self) -> bool {
        self.body.is_empty() && self.buffer.len() < PIPE_BUFFER_BYTES
    }

    /// Accepts a frame of at most `max` bytes.
    ///
    /// # Errors
    /// [`SendError::TooLarge`], then nothing has changed; [`SendError::Closed`] behind the farewell.
    pub(crate) fn put(&mut self, frame: &Bytes, max: usize) -> Result<(), SendError> {
        if frame.len() > max {
            return Err(SendError::TooLarge { len: frame.len(), max });
        }
        if self.ended {
            return Err(self.closed());
        }
        if let Some(tally) = &self.tally {
            tally.sent(frame.len());
        }
        self.join_body();
        put_frame_len(frame.len(), &mut self.buffer);
        if frame.len() < LARGE_BYTES {
            self.buffer.extend_from_slice(frame);
        } else {
            // Whole writes alone stand before the body, so that none is cut short where it begins.
            self.body = frame.clone();
            let gathered = self.buffer.len();
            let beginning = self.body.split_to(gathered.next_multiple_of(WRITE_BYTES) - gathered);
            self.buffer.extend_from_slice(&beginning);
        }
        Ok(())
    }

    /// Hands everything to the transport.
    pub(crate) fn poll_flush<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        ready!(self.poll_write_out(io, cx, 1))?;
        Pin::new(io).poll_flush(cx).map_err(|_| self.closed())
    }

    /// Hands everything and the farewell to the transport, and ends this direction.
    pub(crate) fn poll_close<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        if !std::mem::replace(&mut self.ended, true) {
            self.join_body();
            put_frame_len(FAREWELL, &mut self.buffer);
        }
        ready!(self.poll_write_out(io, cx, 1))?;
        Pin::new(io).poll_close(cx).map_err(|_| self.closed())
    }

    /// Hands to the transport what is there, as long as it is at least `least` bytes.
    fn poll_write_out<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
        least: usize,
    ) -> Poll<Result<(), SendError>> {
        while self.unsent() >= least {
            if self.buffer.is_empty() && self.body.len() < WRITE_BYTES {
                self.join_body();
            }
            let next: &[u8] = if self.buffer.is_empty() { &self.body } else { &self.buffer };
            match ready!(Pin::new(&mut *io).poll_write(cx, next)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(self.closed())),
                Ok(len) if self.buffer.is_empty() => self.body.advance(len),
                Ok(len) => self.buffer.advance(len),
            }
        }
        self.join_body();
        Poll::Ready(Ok(()))
    }

    /// Takes the rest of a large frame into the buffer, where others can follow it.
    fn join_body(&mut self) {
        if !self.body.is_empty() {
            self.buffer.extend_from_slice(&std::mem::take(&mut self.body));
        }
    }

    fn unsent(&self) -> usize {
        self.buffer.len() + self.body.len()
    }

    fn closed(&self) -> SendError {
        SendError::Closed { unconfirmed: self.unsent() }
    }
}

/// Both halves over one substream.
#[derive(Debug)]
pub(crate) struct FrameStream<S> {
    pub(crate) io: S,
    pub(crate) reads: ReadFrames,
    pub(crate) writes: WriteFrames,
}

impl<S: AsyncRead + AsyncWrite + Unpin> FrameStream<S> {
    /// Frames of at most `frame_bytes_max` over `io`.
    pub(crate) fn new(io: S, frame_bytes_max: usize, read_bytes: usize) -> Self {
        Self { io, reads: ReadFrames::new(frame_bytes_max, read_bytes), writes: WriteFrames::default() }
    }

    /// From now on frames are counted.
    pub(crate) fn count(&mut self, tally: Tally) {
        (self.reads.tally, self.writes.tally) = (Some(tally.clone()), Some(tally));
    }

    /// Counts a frame that went before frames were counted.
    pub(crate) fn count_sent(&self, bytes: usize) {
        if let Some(tally) = &self.writes.tally {
            tally.sent(bytes);
        }
    }

    /// What are counted are pieces of a byte stream.
    pub(crate) fn count_pieces(&mut self) {
        let tallies = self.reads.tally.iter_mut().chain(&mut self.writes.tally);
        tallies.for_each(|tally| tally.frames = Frames::Pieces);
    }

    /// The next frame, `None` behind the farewell. Cancel-safe.
    pub(crate) async fn recv(&mut self) -> Result<Option<Bytes>, RecvError> {
        std::future::poll_fn(|cx| self.reads.poll_frame(&mut self.io, cx)).await
    }

    /// Hands everything that was put to the transport. Cancel-safe.
    pub(crate) async fn flush(&mut self) -> Result<(), SendError> {
        std::future::poll_fn(|cx| self.writes.poll_flush(&mut self.io, cx)).await
    }

    /// Hands everything to the transport and ends the sending direction.
    pub(crate) async fn close(&mut self) -> Result<(), SendError> {
        std::future::poll_fn(|cx| self.writes.poll_close(&mut self.io, cx)).await
    }
}

/// The length of the farewell; frames have at most a fraction of it.
const FAREWELL: usize = (1 << 28) - 1;

/// One data frame of yamux. What is short of it waits for more or for a flush: a frame of a few bytes costs as much.
const WRITE_BYTES: usize = PIPE_BUFFER_BYTES / 4;
/// Bytes from which on a frame is not copied but for its beginning, which goes with its length.
const LARGE_BYTES: usize = 2 * WRITE_BYTES;
/// Bytes read at a time at first: a session or a quiet pipe never needs more.
const READ_BYTES_FIRST: usize = 1024;

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use futures::executor::block_on;
    use futures::io::Cursor;
    use proptest::prelude::*;

    use super::*;

    fn read_all(bytes: Vec<u8>, max: usize, read_bytes: usize) -> Result<Vec<Bytes>, RecvError> {
        let (mut io, mut reads) = (Cursor::new(bytes), ReadFrames::new(max, read_bytes));
        let mut frames = Vec::new();
        while let Some(frame) = block_on(std::future::poll_fn(|cx| reads.poll_frame(&mut io, cx)))? {
            frames.push(frame);
        }
        Ok(frames)
    }

    fn written(frames: &[Bytes]) -> Vec<u8> {
        let mut writes = WriteFrames::default();
        frames.iter().for_each(|frame| writes.put(frame, 1 << 20).unwrap());
        let mut io = Cursor::new(Vec::new());
        block_on(std::future::poll_fn(|cx| writes.poll_close(&mut io, cx))).unwrap();
        assert!(writes.put(&Bytes::new(), 1 << 20).is_err(), "a frame behind the farewell");
        io.into_inner()
    }

    fn frame(len: Range<usize>) -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), len).prop_map(Bytes::from)
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_they_are_cut(
            frames in prop::collection::vec(frame(0..300), 0..8),
            read_bytes in 1usize..64,
        ) {
            let read = read_all(written(&frames), 300, read_bytes).unwrap();
            prop_assert_eq!(read, frames);
        }

        #[test]
        fn small_and_large_frames_keep_their_order_and_gather_to_whole_writes(
            lens in prop::collection::vec(prop_oneof![0..2000usize, LARGE_BYTES - 3..5 * WRITE_BYTES], 1..20),
        ) {
            let frames: Vec<_> = (0u8..).zip(lens).map(|(fill, len)| Bytes::from(vec![fill; len])).collect();
            let (mut writes, mut io) = (WriteFrames::default(), Cursor::new(Vec::new()));
            for frame in &frames {
                block_on(std::future::poll_fn(|cx| writes.poll_ready(&mut io, cx))).unwrap();
                prop_assert!(writes.has_room() && writes.body.is_empty());
                writes.put(frame, 1 << 20).unwrap();
                prop_assert!(writes.body.is_empty() || writes.buffer.len() % WRITE_BYTES == 0);
                prop_assert!(writes.buffer.len() < PIPE_BUFFER_BYTES + LARGE_BYTES);
            }
            block_on(std::future::poll_fn(|cx| writes.poll_close(&mut io, cx))).unwrap();
            prop_assert_eq!(read_all(io.into_inner(), 1 << 20, 4096).unwrap(), frames);
        }

        #[test]
        fn a_stream_that_ends_within_a_frame_is_an_error(frame in frame(1..300)) {
            let bytes = written(&[frame]);
            let farewell = bytes.len() - 4;
            for len in (1..bytes.len()).filter(|len| *len != farewell) {
                prop_assert_eq!(read_all(bytes[..len].to_vec(), 300, 64), Err(WireError::Truncated.into()));
            }
            prop_assert_eq!(read_all(bytes[..farewell].to_vec(), 300, 64), Err(RecvError::Reset));
        }
    }

    #[test]
    fn an_oversize_frame_is_refused_both_ways_before_it_is_held() {
        let mut writes = WriteFrames::default();
        assert_eq!(
            writes.put(&Bytes::from_static(&[0; 11]), 10),
            Err(SendError::TooLarge { len: 11, max: 10 })
        );
        assert!(writes.buffer.is_empty());
        let announced = vec![0xff, 0xff, 0xff, 0xff, 0x0f];
        assert!(matches!(read_all(announced, 10, 64), Err(RecvError::Garbage(WireError::TooLarge { .. }))));
    }
}
