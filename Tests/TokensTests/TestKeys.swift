/// Keys made for these tests by `openssl genpkey`, and for nothing else.
enum TestKeys {
    static let rsa = Array(
        """
        -----BEGIN PRIVATE KEY-----
        MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDWqBHm0zPWPggL
        6Dy6dp/SmX8HzIIZbY9Zyjq29phhEzGOHAA62KTY0+1oxPX+86uPCm4/NwlXd5VT
        bm3HXMYOcABIIl7PTQtCdYqUmgxyxKF5SQxrv4xYfYoCAjrRGQLgMdMPGQwmcx+g
        xQUxB+Xd58odMyKXwA6S6IgaDb4y8xpQZAUEw25F33cvuUIixzPbiOe+P0lyeply
        Z54dHxixvGplpbTlhj19419fEcyZ1fmHqGRVVo9jN+1ENu5eF4aM4XpKEiTLBOnf
        Ef/wtVY6/72pPrtktgIjrt46e0PReX/LDE0IUCpt7FXzFFnnXbqwSVqdymKd9CSS
        s1a7eazlAgMBAAECggEAKaEyx5dSSEyDdvu1O1xiJo/KSRLqcFAFKx7DQFSWvMzi
        IXNgwAjf/4UqV9VK+AT90qHtO6lK0IHKngGenLlrV8V06Ihx5rZEZsEw/RzbKS7l
        OgZmuEbPyyGdsEIKch7tpdlD23u6FYLiMWXEWfv0IpMfaYZPQSroKKmcK6Far7qG
        1IxpQI5Ro0kp29ldsynLbuTymcdjmb4sY9RV1k5WlS3cs8MtFBi+hDdtUj4lJi0b
        Hbrt0UM+cojC3+nIeUBg2UKVGpYTB4WnxdVVoQ/3vtFEfdIQPQpO7UBUqp4/JTvm
        s0Px4Raxo3cPWhm8UxuYPyndx/eIulIV5+K5Ici+iQKBgQD6BXdkdu2A7092AEuO
        OXrAd7Bmi9xXs2LVKqGuQCQ2hvwWGREy/3nF/apPVUaAkQuFLZji3PUyv0i+RHYM
        5Sntz9BUMgN2MHbXl1Y70h3tcEl6eR8Xe7l+aUQQVA4sbE0ApnWErDs5qfpDCVPG
        jRi3WPWMOwqNf1NbXncHhS99cwKBgQDbyh0h2AF4KYJ8l7zJsaMrJfaGntRGCVbj
        TGQizv+J1efjy60agZX7P30mkDCU0dbgQPaUW/WR2+dXG4ke9svMBsGporBEEAwh
        wl+mLlmt3J4bPtDYVi7o2RZz7bLygZe7YhaorR7BRK1A7veYDHv47spCmzMwkMY+
        q6mobeIWRwKBgQDkAk4yob7RAe2OaJB/AO5wTfbiXhQxKtgsHLfcCIS98XY91Nh5
        kMEGDeLefJ9SKnS+HKo74lP+1rFJS3f5JJiLVyTfU8kSZPpMfKhY37MJUYjBF2qC
        aQPuQ6Od3HocixviRuwPdV6BpQElV4E+Jnju5ELygvmJtx9WyRx2EEER/wKBgGvO
        na+GFmJsafbXLuD34wM9Ickyiwi3eAkR5WQ1iJ6Bb7cKpqQDwB93KtoJi+rTasSg
        2NI4sSGUbcsKVJ39jEVNYxzkEfWwsWK1xtjqj056kormquYSj/viz+KZS1csPdLJ
        8DdYg2dlWl4pWQUZyo12A3vcSKWfvb3r0dIt4+HtAoGASml6AIt22SM3wZWgFJhm
        eDQXSUGleM8u3kHb5+6PruwqFUfbojJcBTJ+yqq7G9BrFe6blRZ4+gBfcjIPWBNZ
        UHxzl96DtRsRmB9H4O42Nc3a8UdhnfQD/ZlUF8PekO+nAd1o23mq0hj6axMnQ6jU
        9Fkh2JLFBbzotWMJMJ3bJ74=
        -----END PRIVATE KEY-----

        """.utf8)
    static let rsaPublic = Array(
        """
        -----BEGIN PUBLIC KEY-----
        MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1qgR5tMz1j4IC+g8unaf
        0pl/B8yCGW2PWco6tvaYYRMxjhwAOtik2NPtaMT1/vOrjwpuPzcJV3eVU25tx1zG
        DnAASCJez00LQnWKlJoMcsSheUkMa7+MWH2KAgI60RkC4DHTDxkMJnMfoMUFMQfl
        3efKHTMil8AOkuiIGg2+MvMaUGQFBMNuRd93L7lCIscz24jnvj9JcnqZcmeeHR8Y
        sbxqZaW05YY9feNfXxHMmdX5h6hkVVaPYzftRDbuXheGjOF6ShIkywTp3xH/8LVW
        Ov+9qT67ZLYCI67eOntD0Xl/ywxNCFAqbexV8xRZ5126sElancpinfQkkrNWu3ms
        5QIDAQAB
        -----END PUBLIC KEY-----

        """.utf8)
    static let p256 = Array(
        """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgTvrahGOszFgsoSMZ
        Y6B3y72pHSj3DWW+PIhUfI/TCUehRANCAATXz/s2eML21uOcu0BWAT/pj3h2kNFB
        U7aZ21xbmTu5kcpqNLqhcu4YSiEEU8rzEQpP/t7Z8NsMHsjQgSJBI536
        -----END PRIVATE KEY-----

        """.utf8)
    static let p256Public = Array(
        """
        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE18/7NnjC9tbjnLtAVgE/6Y94dpDR
        QVO2mdtcW5k7uZHKajS6oXLuGEohBFPK8xEKT/7e2fDbDB7I0IEiQSOd+g==
        -----END PUBLIC KEY-----

        """.utf8)
    static let ed25519 = Array(
        """
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEIMKoCj7lc/eVY+/7d+gUjeFb7gKL87bS8N4Ipo7BkrnZ
        -----END PRIVATE KEY-----

        """.utf8)
    static let ed25519Public = Array(
        """
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEAcGHt4KehA+GytHdggY0OugtxXnVSnPy9ClDAZ/3Zww8=
        -----END PUBLIC KEY-----

        """.utf8)
    static let smallRSA = Array(
        """
        -----BEGIN PUBLIC KEY-----
        MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDdovPMJ0yALRvgSW0rXiokiQHc
        VDZtvZZ+C1tbfQ8TMk/ccn8Y68QXr3GKj5twX7YJ/8YPXnceruxEZjhWTOaLJceb
        oP4DnuxzaafGEkS1cffXbaGWRPb33kvr+V5FfhgbnLE7a9i/22DEn+EXlvw4m5+Z
        0Nrs0Ho2y5FFBeMYtQIDAQAB
        -----END PUBLIC KEY-----

        """.utf8)
    static let p384 = Array(
        """
        -----BEGIN PUBLIC KEY-----
        MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE/bM5zQdrA/SfEKoKGPCBvOcvF7eUzUtV
        3dNfdv91Dx/4UIw4BmiSM7Sx1BOi03QXCdY9dB4qudYH9m+xqi8h/WW0Uj2O5oVC
        3KzYzoEVwZTKYglciyUW9PKArh0V+TA1
        -----END PUBLIC KEY-----

        """.utf8)
    static let locked = Array(
        """
        -----BEGIN ENCRYPTED PRIVATE KEY-----
        MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgBk9YKn3sqVwICCAAw
        DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEDLqVrbPQ8GJClnAEyYhIQgEQEMQ
        /7g/jdNzuTfMZ13HqjLcGiauO9CAJPVuUgjwtHHo9PC47ZX8r/yRG0pkB3oi7bA9
        lyv67Rv+Fvf8e6Sa9ZY=
        -----END ENCRYPTED PRIVATE KEY-----

        """.utf8)
}
