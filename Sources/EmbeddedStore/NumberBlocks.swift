/// Some numbers for each user or conversation, in blocks of neighbours: what many messages change lies in few pages,
/// and a fold writes each of them once.
///
/// *Thread:* that of the connection.
struct NumberBlocks: ~Copyable {
    /// The numbers of one user or conversation lie beside each other.
    private let width: Int
    /// Whose numbers share a block.
    private let owners: UInt64
    private let select: Statement
    private let replace: Statement
    private let memory: UnsafeMutableBufferPointer<UInt64>
    /// The block in memory.
    private var block: UInt64?
    private var isChanged = false

    /// A row that fills a page of 4 KiB and never spills over.
    private static let numbers = 504
    private static let byteCount = numbers * 8

    /// - Parameters:
    ///   - table: has the columns `block` and `numbers`.
    ///   - width: how many numbers each user or conversation has; divides 504.
    init(_ connection: borrowing Connection, table: String, width: Int) throws(SQLiteError) {
        let select = try connection.prepare("SELECT numbers FROM \(table) WHERE block = ?1")
        let replace = try connection.prepare("INSERT OR REPLACE INTO \(table) VALUES(?1, ?2)")
        precondition(NumberBlocks.numbers % width == 0)
        self.width = width
        owners = UInt64(NumberBlocks.numbers / width)
        self.select = select
        self.replace = replace
        memory = .allocate(capacity: NumberBlocks.numbers)
        memory.initialize(repeating: 0)
    }

    deinit { memory.deallocate() }

    /// Forgets what is in memory: another state of the database is going to be seen.
    mutating func begin() {
        block = nil
        isChanged = false
    }

    /// One of the numbers of `owner`; 0 if nothing was ever written.
    mutating func number(_ column: Int, of owner: UInt64) throws(SQLiteError) -> UInt64 {
        let place = try load(owner)
        return memory[place + column]
    }

    /// Raises one of the numbers of `owner`. Cheap if owners come in ascending order.
    mutating func raise(_ column: Int, of owner: UInt64, to value: UInt64) throws(SQLiteError) {
        let place = try load(owner)
        guard memory[place + column] < value else { return }
        memory[place + column] = value
        isChanged = true
    }

    /// All numbers of `owner` as one value of that size.
    @inline(__always)
    mutating func value<Value: BitwiseCopyable>(
        of owner: UInt64, as type: Value.Type
    ) throws(SQLiteError) -> Value {
        precondition(MemoryLayout<Value>.size == width * 8)
        let place = try load(owner)
        return UnsafeRawBufferPointer(memory).load(fromByteOffset: place * 8, as: type)
    }

    /// Puts all numbers of `owner`. Cheap if owners come in ascending order.
    @inline(__always)
    mutating func put<Value: BitwiseCopyable>(_ value: Value, of owner: UInt64) throws(SQLiteError) {
        precondition(MemoryLayout<Value>.size == width * 8)
        let place = try load(owner)
        UnsafeMutableRawBufferPointer(memory).storeBytes(of: value, toByteOffset: place * 8, as: Value.self)
        isChanged = true
    }

    /// Writes what was changed.
    mutating func flush() throws(SQLiteError) {
        guard isChanged, let block else { return }
        replace.bind(1, block)
        replace.bind(2, blob: UnsafeRawBufferPointer(memory))
        try replace.run()
        isChanged = false
    }

    /// Makes the owner's block the one in memory; returns where the owner's numbers are.
    @inline(__always)
    private mutating func load(_ owner: UInt64) throws(SQLiteError) -> Int {
        let (wanted, place) = owner.quotientAndRemainder(dividingBy: owners)
        if wanted != block {
            try flush()
            try read(wanted)
        }
        return Int(place) * width
    }

    private mutating func read(_ wanted: UInt64) throws(SQLiteError) {
        block = nil
        defer { select.reset() }
        select.bind(1, wanted)
        if try select.step() {
            let bytes = select.bytes(0)
            guard bytes.count == NumberBlocks.byteCount else {
                throw SQLiteError(corrupt: "switchboard.db: block \(wanted) of positions is damaged")
            }
            UnsafeMutableRawBufferPointer(memory).copyMemory(from: bytes)
        } else {
            memory.update(repeating: 0)
        }
        block = wanted
    }
}
