import ArgumentParser
import Base
import Reactor
import Server
import Tokens

/// `router token USER`: for tests, small set-ups and a first look. What isn't said is the router's own option.
struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Print a token that signs a user in.",
        usage: "router token <user> [--expires <time>] [<options of the router>]",
        discussion: """
            Examples:
              router token alice --config switchboard.yaml --expires 1h
              router token alice --jwt-secret SECRET --alg HS512
              router token alice --key private.pem

            The secret is the one that a router with the same command line,
            environment and file would have: --jwt-secret before
            SWITCHBOARD_JWT_SECRET before the file of --config. The same goes for
            --jwt-audience and --jwt-issuer. With --key a private key signs; the
            router is given the public one. Each token has a jti of its own.
            """)

    @ParentCommand private var router: RouterCommand
    @Argument(help: "The user id.") var user: String
    @Option(help: ArgumentHelp("How long the token is good for: 90s, 15m, 24h, 30d.", valueName: "time"))
    var expires = Lifetime(seconds: 30 * 86_400)
    @Option(help: ArgumentHelp("HS256 (the default), HS384 or HS512; a key says it itself.", valueName: "alg"))
    var alg: SigningAlgorithm?
    @Option(help: ArgumentHelp("A private key (PEM): RSA, P-256 or Ed25519.", valueName: "file")) var key: String?
    @Option(help: ArgumentHelp("What the key is called in a JWKS.", valueName: "kid")) var kid: String?
    @Option(help: ArgumentHelp("Whom it is for, instead of --jwt-audience.", valueName: "name")) var audience: String?
    @Option(help: ArgumentHelp("Who makes it, instead of --jwt-issuer.", valueName: "name")) var issuer: String?

    func run() throws {
        guard let user = Identifier(user) else {
            throw ValidationError("USER must be 1-64 bytes without white space, control characters, ':' and '/'")
        }
        var signer = try signer
        signer.keyID = kid
        let now = Clock.realtimeMilliseconds / 1000
        var claims = TokenClaims(subject: user)
        claims.issued = Double(now)
        claims.expires = Double(now + expires.seconds)
        claims.audience = (audience ?? router.options.jwtAudience).map { [$0] }
        claims.issuer = issuer ?? router.options.jwtIssuer
        claims.id = Digests.hexadecimal((0..<16).map { _ in UInt8.random(in: .min ... .max) })
        print(signer.token(claims))
    }

    private var signer: TokenSigner {
        get throws {
            do {
                if let key {
                    let signer = try TokenSigner(pem: try KeyFile.read(key, "--key"))
                    guard alg == nil || alg == signer.algorithm else {
                        throw ValidationError("this key signs by \(signer.algorithm.rawValue) only")
                    }
                    return signer
                }
                guard let secret = router.options.jwtSecret else {
                    throw ValidationError(
                        "there is no secret: give --jwt-secret, SWITCHBOARD_JWT_SECRET, --config or --key")
                }
                return try TokenSigner(secret: Array(secret.utf8), algorithm: alg ?? .hs256)
            } catch let error as TokenKeyError {
                throw ValidationError("\(key.map { "--key \($0)" } ?? "--jwt-secret"): \(error)")
            } catch let error as ConfigurationError {
                throw ValidationError(error.description)
            }
        }
    }
}

extension SigningAlgorithm: ExpressibleByArgument {}

/// A time as it is written on the command line.
struct Lifetime: ExpressibleByArgument {
    let seconds: UInt64

    private static let units: [Character: UInt64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
    private static let secondsMax: UInt64 = 100 * 366 * 86_400

    init(seconds: UInt64) { self.seconds = seconds }

    /// A number and a unit; at most a hundred years.
    init?(argument: String) {
        guard let unit = argument.last.flatMap({ Lifetime.units[$0] }), let count = UInt64(argument.dropLast()),
            count > 0, count <= Lifetime.secondsMax / unit
        else { return nil }
        seconds = count * unit
    }

    var defaultValueDescription: String { "\(seconds / 86_400)d" }
}
