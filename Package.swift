// swift-tools-version: 6.2
// The architecture on one page: every layer is a target, and a target may import only what it names here.
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
    // Debug builds check exclusive access while they run; see docs/decisions/0008-exclusivity-in-debug-builds.md.
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

let package = Package(
    name: "switchboard",
    products: [
        .executable(name: "router", targets: ["Router"]),
        .executable(name: "bench", targets: ["Bench"]),
        .executable(name: "simulator", targets: ["Simulator"]),
        .executable(name: "microbench", targets: ["MicroBench"]),
        .library(name: "faultshim", type: .dynamic, targets: ["CFaultShim"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // C: the kernel and the system's libraries.
        .target(name: "CEpoll"),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),

        // Vocabulary: no I/O, no clock.
        .target(name: "Base", swiftSettings: settings),

        // Bytes to values and back; sans-IO.
        .target(name: "Wire", dependencies: ["Base", "CLZ4", "COpenSSL"], swiftSettings: settings),

        // The seam to persistence, and its embedded implementation.
        .target(name: "Store", dependencies: ["Base"], swiftSettings: settings),
        .target(name: "EmbeddedStore", dependencies: ["Base", "Wire", "Store", "CSQLite"], swiftSettings: settings),

        // Chat rules as state machines; sans-IO.
        .target(name: "Core", dependencies: ["Base", "Wire", "Store"], swiftSettings: settings),

        // JSON web tokens: keys, signatures, claims; sans-IO.
        .target(name: "Tokens", dependencies: ["Base", "Wire", "COpenSSL"], swiftSettings: settings),

        // Ciphertext to plain bytes and back; sans-IO.
        .target(name: "TLS", dependencies: ["Base", "COpenSSL"], swiftSettings: settings),

        // The only code that touches descriptors.
        .target(name: "Reactor", dependencies: ["Base", "TLS", "CEpoll"], swiftSettings: settings),

        // The web chat's files, in the binary: the router stays one file.
        .target(name: "WebChat", resources: [.embedInCode("Resources")], swiftSettings: settings),

        // Assembly: loops, shards, store, HTTP.
        .target(
            name: "Server",
            dependencies: [
                "Base", "Wire", "Tokens", "Store", "EmbeddedStore", "Core", "TLS", "Reactor", "WebChat", "CCurl",
                "COpenSSL",
                .product(name: "Logging", package: "swift-log"),
            ],
            resources: [.embedInCode("API/openapi.json")],
            swiftSettings: settings),

        // The whole router in one thread, from one seed, on a disk in memory.
        .target(name: "CSimulatedDisk", dependencies: ["CSQLite"]),
        .target(
            name: "Simulation", dependencies: ["Base", "Wire", "Core", "Store", "EmbeddedStore", "CSimulatedDisk"],
            swiftSettings: settings),

        // The load generator: clients on the same loop and codecs, measuring, and what the kernel alone costs.
        .target(name: "CFloor"),
        .target(
            name: "LoadGenerator",
            dependencies: [
                "Base", "Wire", "TLS", "Reactor", "CFloor", "CFaultControl", "CSQLite", "COpenSSL",
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: settings),

        // Faults of the disk and of the clock, for a router that the load generator starts. Nothing may import the
        // shim: it is loaded in front of the C library.
        .target(name: "CFaultControl"),
        .target(name: "CFaultShim", dependencies: ["CFaultControl"]),

        // What pieces of the router cost, in instructions and allocations. No library may import the counter, since
        // it stands in front of the allocator.
        .target(name: "CAllocations"),

        // Programs.
        .executableTarget(
            name: "Router",
            dependencies: [
                "Base", "Tokens", "Core", "Reactor", "EmbeddedStore", "Server",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "Bench",
            dependencies: [
                "LoadGenerator", "TLS", "Reactor",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "StoreBench",
            dependencies: [
                "Base", "Store", "EmbeddedStore", "CSQLite",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "MicroBench",
            dependencies: [
                "CAllocations", "Base", "Wire", "Store", "EmbeddedStore", "Core", "Reactor",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            exclude: ["limits.md"],
            swiftSettings: settings),
        .executableTarget(
            name: "Simulator",
            dependencies: ["Simulation", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: settings),

        // Tests.
        .testTarget(name: "BaseTests", dependencies: ["Base"], swiftSettings: settings),
        .testTarget(name: "WireTests", dependencies: ["Base", "Wire"], swiftSettings: settings),
        .testTarget(name: "TokensTests", dependencies: ["Base", "Wire", "Tokens"], swiftSettings: settings),
        .testTarget(
            name: "EmbeddedStoreTests", dependencies: ["Base", "Store", "EmbeddedStore"], swiftSettings: settings),
        .testTarget(name: "TLSTests", dependencies: ["Base", "TLS", "Reactor"], swiftSettings: settings),
        .testTarget(name: "ReactorTests", dependencies: ["Base", "Reactor"], swiftSettings: settings),
        .testTarget(
            name: "BenchTests",
            dependencies: [
                "Base", "Wire", "Reactor", "Server", "LoadGenerator", "Bench",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .testTarget(name: "MicroBenchTests", dependencies: ["CAllocations", "MicroBench"], swiftSettings: settings),
        .testTarget(name: "CoreTests", dependencies: ["Base", "Wire", "Store", "Core"], swiftSettings: settings),
        .testTarget(
            name: "SimulatorTests", dependencies: ["Simulation", "CSimulatedDisk", "CSQLite"], swiftSettings: settings),
        .testTarget(
            name: "ServerTests",
            dependencies: [
                "Base", "Wire", "Tokens", "Store", "Core", "Reactor", "Server", "WebChat",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .testTarget(name: "RepositoryTests", swiftSettings: settings),
    ]
)
