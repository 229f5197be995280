import ArgumentParser
import Core
import Reactor
import Server
import Tokens

/// The options of the router. Each may also stand in the environment and in a file, see ``LayeredArguments``.
struct RouterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("HTTP and WebSocket.", valueName: "address:port")) var listen = "127.0.0.1:8080"
    @Option(help: ArgumentHelp("The binary protocol.", valueName: "address:port")) var tcpListen = "127.0.0.1:8081"
    @Option(
        help: ArgumentHelp(
            "Certificate chain (PEM): clients speak TLS on both; read anew on SIGHUP.", valueName: "file"))
    var tlsCert: String?
    @Option(help: ArgumentHelp("Its key (PEM), without a password.", valueName: "file")) var tlsKey: String?
    @Option(help: ArgumentHelp("Directory of the embedded store.", valueName: "dir")) var data = "./data"
    @Option(help: ArgumentHelp("A YAML file with options; read before everything else.", valueName: "file"))
    var config: String?
    @Option(help: ArgumentHelp("Secret of tokens by HS256, HS384 and HS512, at least 16 bytes.", valueName: "secret"))
    var jwtSecret: String?
    @Option(
        help: ArgumentHelp(
            "A public key (PEM) of tokens: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA; may be repeated.",
            valueName: "file"))
    var jwtKey: [String] = []
    @Option(help: ArgumentHelp("Keys of tokens as a JWKS; SIGHUP reads all key files again.", valueName: "file"))
    var jwtJwks: String?
    @Option(help: ArgumentHelp("What aud of a token must name; not looked at without.", valueName: "name"))
    var jwtAudience: String?
    @Option(help: ArgumentHelp("What iss of a token must be; not looked at without.", valueName: "name"))
    var jwtIssuer: String?
    @Option(help: ArgumentHelp("Seconds by which the clock of who signs tokens may differ.", valueName: "seconds"))
    var jwtLeeway = 60
    @Option(help: ArgumentHelp("Key of the timeline service.", valueName: "key")) var apiKey: String?
    @Option(help: ArgumentHelp("Secret of md5 sessions (/chat/private); off without.", valueName: "secret"))
    var sessionSecret: String?
    @Option(help: ArgumentHelp("Minutes before and after now whose md5 sessions are accepted.", valueName: "minutes"))
    var sessionWindow = 2
    @Option(help: ArgumentHelp("Event loops; 0 means one for each core.", valueName: "n")) var loops = 0
    @Option(
        help: ArgumentHelp(
            "Whether the limit of open files counts for the process (shared) or for each loop (own).",
            discussion: "With own tables, loops × limit connections fit in; auto takes them if that is needed.",
            valueName: "auto|shared|own"))
    var descriptorTables = DescriptorTables.auto
    @Option(help: ArgumentHelp("User shards of each loop.", valueName: "n")) var shardsPerLoop = 4
    @Option(help: ArgumentHelp("Signed-in users a shard takes before it refuses.", valueName: "n"))
    var shardLimit = 100_000
    @Option(help: ArgumentHelp("Days after which unconfirmed inbox entries go.", valueName: "days"))
    var retention = 90
    @Option(
        help: ArgumentHelp(
            "What becomes of a private message to somebody who is no contact.",
            discussion: "With hold it waits until its recipient accepts the sender; with reject it is refused.",
            valueName: "deliver|hold|reject"))
    var strangers = StrangerPolicy.deliver
    @Option(
        help: ArgumentHelp(
            "Who may make an account without the API key.",
            discussion: "open: anyone; claim: anyone, also with an id that has messages; closed: nobody.",
            valueName: "open|claim|closed"))
    var registration = Registration.open
    @Option(help: ArgumentHelp("Days for which a login is good.", valueName: "days")) var loginDays = 30
    @Option(
        help: ArgumentHelp(
            "Web origins besides the router's own whose pages may use the login cookie, with commas between.",
            valueName: "origins"))
    var origins = ""
    @Flag(help: "Login cookies go over TLS only: for a router behind a proxy that speaks TLS.")
    var secureCookies = false
    @Option(
        help: ArgumentHelp(
            "Addresses of proxies whose X-Forwarded-For says where a client is, with commas between.",
            valueName: "addresses"))
    var trustedProxies = ""
    @Option(help: ArgumentHelp("Server for media that speaks S3; off without.", valueName: "url"))
    var mediaEndpoint: String?
    @Option(help: ArgumentHelp("Bucket for media.", valueName: "name")) var mediaBucket: String?
    @Option(help: ArgumentHelp("Region that uploads are signed for.", valueName: "name"))
    var mediaRegion = MediaStorage.Settings().region
    @Option(help: ArgumentHelp("Key id that uploads are signed with.", valueName: "id")) var mediaAccessKey: String?
    @Option(help: ArgumentHelp("Its secret.", valueName: "secret")) var mediaSecretKey: String?
    @Option(
        help: ArgumentHelp(
            "Where the bucket stands: server/bucket (path) or bucket.server (host).", valueName: "path|host"))
    var mediaStyle = MediaStorage.Style.path
    @Option(help: ArgumentHelp("Where media are read; the bucket itself without.", valueName: "url"))
    var mediaPublicUrl: String?
    @Option(help: ArgumentHelp("Largest upload.", valueName: "bytes"))
    var mediaMaxSize = MediaStorage.Settings().sizeMax
    @Option(
        help: ArgumentHelp(
            "Whether users may search their conversations; off throws the index away.", valueName: "on|off"))
    var search = Switch.on
    @Option(
        help: ArgumentHelp(
            "Whether events are kept for /api/events; a webhook turns them on too.", valueName: "on|off"))
    var events = Switch.off
    @Option(help: ArgumentHelp("Days for which events are kept.", valueName: "days")) var eventsDays = 7
    @Option(help: ArgumentHelp("Where events are sent to; nowhere without.", valueName: "url"))
    var webhookUrl: String?
    @Option(help: ArgumentHelp("What they are signed with, at least 16 bytes.", valueName: "secret"))
    var webhookSecret: String?
    @Option(
        help: ArgumentHelp(
            "Certificates (PEM) that the receiver's is checked against; the system's without.", valueName: "file"))
    var webhookCertificates: String?
    @Option(
        help: ArgumentHelp("Seconds of failure after which nothing is sent until SIGHUP.", valueName: "seconds"))
    var webhookPatience = 86_400
    @Option(help: ArgumentHelp("Members up to which a group message goes to every inbox.", valueName: "n"))
    var inboxMembers = 500
    @OptionGroup var limits: LimitOptions
    @Option(
        help: ArgumentHelp(
            "Who may read /metrics without the API key.",
            discussion: "key: nobody; local: programs on this machine; open: whoever reaches the port.",
            valueName: "key|local|open"))
    var metrics = MetricsAccess.key
    @OptionGroup var log: LogOptions
    @Flag(help: "Development: user ids are believed without a token, /timeline is open, /echo exists. Loopback only.")
    var dev = false

    /// What was asked for; throws what is wrong with it.
    func configuration() throws -> Configuration {
        var configuration = Configuration()
        configuration.listen = try address(listen, "--listen")
        configuration.tcpListen = try address(tcpListen, "--tcp-listen")
        configuration.tlsCertificate = tlsCert
        configuration.tlsKey = tlsKey
        configuration.data = data
        configuration.jwtSecret = jwtSecret
        configuration.jwtKeys = jwtKey
        configuration.jwtKeySet = jwtJwks
        configuration.jwtRules.audience = jwtAudience
        configuration.jwtRules.issuer = jwtIssuer
        configuration.jwtRules.leewaySeconds = jwtLeeway
        configuration.apiKey = apiKey
        configuration.sessionSecret = sessionSecret
        configuration.sessionWindowMinutes = sessionWindow
        configuration.loops = loops
        configuration.descriptorTables = descriptorTables
        configuration.shardsPerLoop = shardsPerLoop
        configuration.usersPerShardMax = shardLimit
        configuration.retentionDays = retention
        configuration.strangers = strangers
        configuration.registration = registration
        configuration.loginDays = loginDays
        configuration.origins = list(origins)
        configuration.secureCookies = secureCookies
        configuration.trustedProxies = list(trustedProxies)
        configuration.search = search == .on
        configuration.events = events == .on
        configuration.eventsDays = eventsDays
        configuration.webhook = try webhook
        configuration.inboxMembersMax = inboxMembers
        configuration.metrics = metrics
        configuration.dev = dev
        configuration.traffic = limits.traffic
        configuration.memory = try limits.memoryLimit
        do {
            configuration.media = try MediaStorage(media)
            try configuration.validate()
        } catch {
            throw ValidationError(error.description)
        }
        return configuration
    }

    private func list(_ text: String) -> [String] {
        text.split(whereSeparator: { ", ".contains($0) }).map(String.init)
    }

    private var webhook: WebhookSettings? {
        get throws {
            guard let webhookUrl else {
                guard webhookSecret == nil else { throw ValidationError("--webhook-secret needs --webhook-url") }
                return nil
            }
            guard let webhookSecret else {
                throw ValidationError("--webhook-url needs --webhook-secret: the receiver must know who sends")
            }
            var settings = WebhookSettings(url: webhookUrl, secret: webhookSecret)
            settings.certificates = webhookCertificates
            settings.patienceSeconds = webhookPatience
            return settings
        }
    }

    private var media: MediaStorage.Settings {
        var settings = MediaStorage.Settings()
        settings.endpoint = mediaEndpoint
        settings.bucket = mediaBucket
        settings.region = mediaRegion
        settings.accessKey = mediaAccessKey
        settings.secretKey = mediaSecretKey
        settings.style = mediaStyle
        settings.publicURL = mediaPublicUrl
        settings.sizeMax = mediaMaxSize
        return settings
    }

    private func address(_ text: String, _ option: String) throws -> SocketAddress {
        guard let address = SocketAddress(text) else {
            throw ValidationError(
                "\(option) “\(text)” must be a numeric address and a port, like 127.0.0.1:8080 or [::1]:8080")
        }
        return address
    }
}

extension MediaStorage.Style: ExpressibleByArgument {}

extension DescriptorTables: ExpressibleByArgument {}
extension StrangerPolicy: ExpressibleByArgument {}
extension Registration: ExpressibleByArgument {}

/// Something that is on or off.
enum Switch: String, ExpressibleByArgument, CaseIterable {
    case on, off
}
