/// How far one client has its inbox, and what was wrong with the order in which it came.
package struct InboxCursor: Sendable, Equatable {
    /// The last entry up to which nothing is missing.
    package private(set) var head: UInt64 = 0
    /// Entries that came although the client had them.
    package private(set) var repeated = 0
    /// Entries that came although others before them hadn't.
    package private(set) var early = 0

    package init() {}

    package mutating func take(_ seq: UInt64) {
        if seq == head + 1 {
            head = seq
        } else if seq <= head {
            repeated += 1
        } else {
            early += 1
        }
    }
}

/// The places that a frame of the server names.
package enum InboxPlaces {
    /// The number behind the last `"seq":`; nil if there is none.
    package static func last(in json: UnsafeRawBufferPointer) -> UInt64? {
        var last: UInt64?
        forEach(in: json) { last = $0 }
        return last
    }

    /// Calls `body` with the number behind each `"seq":`, in order. Contents that hold those letters mislead it; what
    /// the load generator sends holds none.
    package static func forEach(in json: UnsafeRawBufferPointer, _ body: (UInt64) -> Void) {
        let name: StaticString = "\"seq\":"
        let length = name.utf8CodeUnitCount
        var offset = 0
        while offset + length < json.count {
            guard json[offset] == UInt8(ascii: "\""), json[offset + 1] == UInt8(ascii: "s"),
                UnsafeRawBufferPointer(rebasing: json[offset..<offset + length]).elementsEqual(
                    UnsafeBufferPointer(start: name.utf8Start, count: length))
            else {
                offset += 1
                continue
            }
            offset += length
            var number: UInt64 = 0
            while offset < json.count, json[offset] >= 48, json[offset] <= 57 {
                number = number &* 10 &+ UInt64(json[offset] &- 48)
                offset += 1
            }
            body(number)
        }
    }
}
