//! Lowering: a column goes from the batch's buffer into the guest's memory in one copy.
//!
//! The record that `bindgen!` makes holds `Vec`s: a column would be gathered (one copy) and then
//! lowered (a second). A host function may return anything that implements `Lower`, so these types
//! gather while they lower. The trait's methods are hidden from wasmtime's documentation: the
//! version is pinned, and the tests say when they change.
//! Invariant: a length in `lengths` and the bytes in `data` come from the same [`Span`].
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::sync::Arc;

use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext,
};
use wasmtime::component::{ComponentType, Lower};
use wasmtime::{Result, ValRaw};

use crate::plugin::view::View;
use crate::record::Span;

/// Which bytes of each row a column shows.
#[derive(Clone)]
pub enum Source {
    Keys,
    Values,
    /// Looked up once, so that lengths and bytes agree.
    Headers(Arc<[Span]>),
}

/// The bytes of one column, wherever they lie.
#[derive(Clone)]
struct Column {
    view: View,
    source: Source,
}

impl Column {
    fn spans(&self) -> impl Iterator<Item = Span> {
        self.view.rows().iter().enumerate().map(|(at, row)| match &self.source {
            Source::Keys => row.key,
            Source::Values => row.value,
            Source::Headers(spans) => spans[at],
        })
    }

    fn bytes(&self) -> usize {
        self.spans().map(|span| span.length.max(0) as usize).sum()
    }
}

/// `byte-column` of the WIT, filled from the batch while it is lowered.
#[derive(ComponentType, Lower)]
#[component(record)]
pub struct ByteColumn {
    lengths: Lengths,
    data: Data,
}

impl ByteColumn {
    pub fn new(view: View, source: Source) -> Self {
        let column = Column { view, source };
        Self { lengths: Lengths(column.clone()), data: Data(column) }
    }

    /// What lowering will copy.
    pub fn bytes(&self) -> usize {
        4 * self.lengths.0.view.rows.len() + self.data.0.bytes()
    }
}

/// Lowers as `list<s32>`: the lengths of a column alone.
pub struct Lengths(Column);

impl Lengths {
    pub fn of_values(view: View) -> Self {
        Self(Column { view, source: Source::Values })
    }

    fn place<T>(&self, cx: &mut LowerContext<'_, T>) -> Result<(usize, usize)> {
        let count = self.0.view.rows.len();
        let at = cx.realloc(0, 0, 4, count * 4)?;
        let target = &mut cx.as_slice_mut()[at..][..count * 4];
        for (cell, span) in target.chunks_exact_mut(4).zip(self.0.spans()) {
            cell.copy_from_slice(&span.length.to_le_bytes());
        }
        Ok((at, count))
    }
}

/// Lowers as `list<u8>`.
pub struct Data(Column);

impl Data {
    fn place<T>(&self, cx: &mut LowerContext<'_, T>) -> Result<(usize, usize)> {
        let len = self.0.bytes();
        let at = cx.realloc(0, 0, 1, len)?;
        let mut target = &mut cx.as_slice_mut()[at..][..len];
        for span in self.0.spans() {
            let bytes = span.of(&self.0.view.records.buf).unwrap_or(&[]);
            let (cell, rest) = target.split_at_mut(bytes.len());
            cell.copy_from_slice(bytes);
            target = rest;
        }
        assert!(target.is_empty(), "spans lie in the buffer and sum up to their lengths");
        Ok((at, len))
    }
}

/// Which number of each row [`Longs`] shows.
#[derive(Clone, Copy)]
pub enum Number {
    Timestamp,
    Offset,
}

/// Lowers as `list<s64>`.
pub struct Longs {
    view: View,
    number: Number,
}

impl Longs {
    pub fn new(view: View, number: Number) -> Self {
        Self { view, number }
    }

    fn place<T>(&self, cx: &mut LowerContext<'_, T>) -> Result<(usize, usize)> {
        let rows = self.view.rows();
        let at = cx.realloc(0, 0, 8, rows.len() * 8)?;
        let target = &mut cx.as_slice_mut()[at..][..rows.len() * 8];
        for (cell, row) in target.chunks_exact_mut(8).zip(rows) {
            let number = match self.number {
                Number::Timestamp => row.timestamp,
                Number::Offset => row.offset.0,
            };
            cell.copy_from_slice(&number.to_le_bytes());
        }
        Ok((at, rows.len()))
    }
}

macro_rules! lower_as_list {
    ($column:ty, $element:ty) => {
        // SAFETY: type, layout and check are those of the list that this stands for.
        unsafe impl ComponentType for $column {
            type Lower = <[$element] as ComponentType>::Lower;
            const ABI: CanonicalAbiInfo = <[$element] as ComponentType>::ABI;

            fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
                <[$element] as ComponentType>::typecheck(ty, types)
            }
        }

        // SAFETY: both write the whole pair (address, length), after `realloc` checked the range.
        unsafe impl Lower for $column {
            fn linear_lower_to_flat<T>(
                &self,
                cx: &mut LowerContext<'_, T>,
                _ty: InterfaceType,
                target: &mut MaybeUninit<Self::Lower>,
            ) -> Result<()> {
                let (at, len) = self.place(cx)?;
                target.write([ValRaw::i64(at as i64), ValRaw::i64(len as i64)]);
                Ok(())
            }

            fn linear_lower_to_memory<T>(
                &self,
                cx: &mut LowerContext<'_, T>,
                _ty: InterfaceType,
                offset: usize,
            ) -> Result<()> {
                let (at, len) = self.place(cx)?;
                *cx.get(offset) = (at as u32).to_le_bytes();
                *cx.get(offset + 4) = (len as u32).to_le_bytes();
                Ok(())
            }
        }
    };
}

lower_as_list!(Lengths, i32);
lower_as_list!(Data, u8);
lower_as_list!(Longs, i64);
