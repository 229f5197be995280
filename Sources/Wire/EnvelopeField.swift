/// The members of a JSON frame that mean something to the server; all their names have at most eight bytes.
package enum EnvelopeField: UInt8, Sendable, CaseIterable {
    case cmd, dstid, cid, ref, level, device
    case userid, id, conv, cseq, seq, time, forward, recalled, edited
    case group, after, before, limit, users, channel, data, token, user, encoding, content
    case epoch, presence

    /// One bit for each field, to hold sets of fields in a word.
    var bit: UInt32 { 1 &<< UInt32(rawValue) }

    /// Fields that never reach a recipient, since they route or only the server may set them: all up to `edited`.
    static let dropped: UInt32 = (2 &<< UInt32(EnvelopeField.edited.rawValue)) &- 1

    /// The field of a key; nil if the server doesn't know it.
    @inline(__always)
    init?(_ key: JSONKey) {
        let word = key.prefix
        let field: EnvelopeField? =
            switch key.count {
            case 2: word == JSONBytes.word("id") ? .id : nil
            case 3: EnvelopeField.three(word)
            case 4: EnvelopeField.four(word)
            case 5: EnvelopeField.five(word)
            case 6: EnvelopeField.six(word)
            case 7: EnvelopeField.seven(word)
            case 8: EnvelopeField.eight(word)
            default: nil
            }
        guard let field else { return nil }
        self = field
    }

    @inline(__always)
    private static func three(_ word: UInt64) -> EnvelopeField? {
        switch word {
        case JSONBytes.word("cmd"): .cmd
        case JSONBytes.word("cid"): .cid
        case JSONBytes.word("ref"): .ref
        case JSONBytes.word("seq"): .seq
        default: nil
        }
    }

    @inline(__always)
    private static func four(_ word: UInt64) -> EnvelopeField? {
        switch word {
        case JSONBytes.word("conv"): .conv
        case JSONBytes.word("cseq"): .cseq
        case JSONBytes.word("time"): .time
        case JSONBytes.word("data"): .data
        case JSONBytes.word("user"): .user
        default: nil
        }
    }

    @inline(__always)
    private static func five(_ word: UInt64) -> EnvelopeField? {
        switch word {
        case JSONBytes.word("dstid"): .dstid
        case JSONBytes.word("level"): .level
        case JSONBytes.word("group"): .group
        case JSONBytes.word("after"): .after
        case JSONBytes.word("limit"): .limit
        case JSONBytes.word("users"): .users
        case JSONBytes.word("token"): .token
        case JSONBytes.word("epoch"): .epoch
        default: nil
        }
    }

    @inline(__always)
    private static func six(_ word: UInt64) -> EnvelopeField? {
        switch word {
        case JSONBytes.word("device"): .device
        case JSONBytes.word("userid"): .userid
        case JSONBytes.word("edited"): .edited
        case JSONBytes.word("before"): .before
        default: nil
        }
    }

    @inline(__always)
    private static func seven(_ word: UInt64) -> EnvelopeField? {
        switch word {
        case JSONBytes.word("content"): .content
        case JSONBytes.word("channel"): .channel
        case JSONBytes.word("forward"): .forward
        default: nil
        }
    }

    @inline(__always)
    private static func eight(_ word: UInt64) -> EnvelopeField? {
        switch word {
        case JSONBytes.word("encoding"): .encoding
        case JSONBytes.word("recalled"): .recalled
        case JSONBytes.word("presence"): .presence
        default: nil
        }
    }
}
