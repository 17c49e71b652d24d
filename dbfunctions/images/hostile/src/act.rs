//! What a hostile function can be told to do: the body of a message to it is an act's name.

/// A way to misbehave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Writes the catalog pool, which only storage may.
    WritesReadonlyPool,
    /// Writes its own text.
    WritesText,
    /// Executes bytes on its heap.
    ExecutesData,
    /// Calls address 0.
    JumpsToNull,
    /// Recurses until the stack's guard.
    OverrunsStack,
    /// Writes where another VM's link would be.
    WritesForeignLink,
    /// Executes `hlt`.
    PrivilegedInstruction,
    /// Never ends its turn.
    LoopsForever,
    /// Fills the queues of the link that asked with ones.
    CorruptsRing,
    /// Panics with the message "as told".
    Panics,
    /// Allocates until there is no more.
    ExhaustsHeap,
}

impl Act {
    /// Every act.
    pub const ALL: [Act; 11] = [
        Act::WritesReadonlyPool,
        Act::WritesText,
        Act::ExecutesData,
        Act::JumpsToNull,
        Act::OverrunsStack,
        Act::WritesForeignLink,
        Act::PrivilegedInstruction,
        Act::LoopsForever,
        Act::CorruptsRing,
        Act::Panics,
        Act::ExhaustsHeap,
    ];

    /// The act's name.
    pub const fn name(self) -> &'static str {
        match self {
            Act::WritesReadonlyPool => "writes_readonly_pool",
            Act::WritesText => "writes_text",
            Act::ExecutesData => "executes_data",
            Act::JumpsToNull => "jumps_to_null",
            Act::OverrunsStack => "overruns_stack",
            Act::WritesForeignLink => "writes_foreign_link",
            Act::PrivilegedInstruction => "privileged_instruction",
            Act::LoopsForever => "loops_forever",
            Act::CorruptsRing => "corrupts_ring",
            Act::Panics => "panics",
            Act::ExhaustsHeap => "exhausts_heap",
        }
    }
}
