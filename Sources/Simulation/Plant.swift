/// A bug that is put in on purpose, outside of the product's code, to see whether it is found.
package enum Plant: String, CaseIterable, Sendable {
    /// The disk answers syncs and does nothing.
    case lyingDisk = "lying-disk"
    /// Answers go out before the sync, which is done before the next commit.
    case earlyAnswers = "early-answers"
    /// A restart forgets which messages were sent lately.
    case forgottenWindow = "forgotten-window"
    /// A batch isn't folded now and then.
    case skippedFold = "skipped-fold"
    /// A restart loses the last batch of the journal, so that its numbers are given again.
    case lostTail = "lost-tail"
    /// An answer of the store is lost now and then.
    case lostEvent = "lost-event"
    /// Two answers of the store change places now and then.
    case swappedEvents = "swapped-events"
    /// Everybody counts as told of what large groups have.
    case lostMarks = "lost-marks"
    /// Reads don't wait until the index has what was committed before.
    case hastyReads = "hasty-reads"
    /// A publication is lost between two loops now and then.
    case lostPublication = "lost-publication"
    /// A recall leaves what was told of earlier edits as it was.
    case lastingEdits = "lasting-edits"
    /// A restart forgets what was read in groups.
    case forgottenCursors = "forgotten-cursors"
    /// Loops don't hear of changes of groups that they know.
    case staleGroups = "stale-groups"
}
