internal import Base
internal import COpenSSL

/// What one call lets OpenSSL read and where it writes: so that a connection has no buffers of ciphertext of its own.
struct TLSTransfer {
    /// What came in and isn't read yet.
    var input: UnsafeRawBufferPointer
    let output: UnsafeMutablePointer<OutputBuffer>

    /// How OpenSSL gets at the transfer that a BIO's data points to. Without one there is nothing to read.
    nonisolated(unsafe) static let method: OpaquePointer = {
        guard let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "switchboard") else {
            preconditionFailure("no memory for a method")
        }
        BIO_meth_set_read_ex(method) { bio, bytes, capacity, count in
            BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
            count?.pointee = 0
            let transfer = BIO_get_data(bio)?.assumingMemoryBound(to: TLSTransfer.self)
            guard let transfer, let bytes, let source = transfer.pointee.input.baseAddress,
                transfer.pointee.input.count > 0
            else {
                BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
                return 0
            }
            let taken = min(capacity, transfer.pointee.input.count)
            UnsafeMutableRawPointer(bytes).copyMemory(from: source, byteCount: taken)
            transfer.pointee.input = UnsafeRawBufferPointer(rebasing: transfer.pointee.input[taken...])
            count?.pointee = taken
            return 1
        }
        BIO_meth_set_write_ex(method) { bio, bytes, byteCount, count in
            BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
            count?.pointee = 0
            guard let transfer = BIO_get_data(bio)?.assumingMemoryBound(to: TLSTransfer.self) else { return 0 }
            transfer.pointee.output.pointee.append(UnsafeRawBufferPointer(start: bytes, count: byteCount))
            count?.pointee = byteCount
            return 1
        }
        BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        BIO_meth_set_create(method) { bio in
            BIO_set_init(bio, 1)
            return 1
        }
        return method
    }()
}
