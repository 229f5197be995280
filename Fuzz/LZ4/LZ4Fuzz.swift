import Base
import Wire

@c(LLVMFuzzerTestOneInput)
public func fuzzLZ4(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: data, count: count))

    // As raw bytes: compressed and decompressed they are the same.
    var compressed = OutputBuffer()
    LZ4Body.compress(bytes.span.bytes, to: &compressed)
    var raw = OutputBuffer()
    do {
        try LZ4Body.decompress(RawSpan(_unsafeBytes: compressed.unsafeBytes), to: &raw)
    } catch {
        fatalError("a compressed body doesn't decompress: \(error)")
    }
    require(raw.unsafeBytes.elementsEqual(bytes), "other bytes came back")

    // As a compressed body: either exactly the raw length comes out, or nothing.
    var output = OutputBuffer()
    output.append("before")
    do {
        try LZ4Body.decompress(bytes.span.bytes, to: &output)
        let claimed = bytes[0..<4].enumerated().reduce(0) { $0 | Int($1.element) << ($1.offset * 8) }
        require(output.count == 6 + claimed, "another length than was claimed")
    } catch {
        require(output.count == 6, "bytes of a broken body")
    }
    return 0
}
