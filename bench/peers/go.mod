module github.com/cardseal/cardseal/bench/peers

go 1.26.0

require (
	github.com/ShiraazMoollatjie/goluhn v0.0.0-20211017190329-0d86158c056a
	github.com/asaskevich/govalidator v0.0.0-20230301143203-a9d515a09cc2
	github.com/capitalone/fpe v1.2.1
	github.com/cardseal/cardseal v0.0.0
	github.com/durango/go-credit-card v0.0.0-20220404131259-a9e175ba4082
	github.com/ggwhite/go-masker/v2 v2.1.0
	github.com/go-playground/validator/v10 v10.30.6
	github.com/jancajthaml-go/luhn v0.0.0-20210218075143-cd6d78542cc4
	github.com/stretchr/testify v1.12.1
	github.com/theplant/luhn v0.0.0-20170224032821-81a1a381387a
	github.com/tink-crypto/tink-go/v2 v2.9.0
	gitlab.com/ubiqsecurity/ubiq-fpe-go v0.0.0-20241024183258-f0d5bc065c59
)

require (
	github.com/gabriel-vasile/mimetype v1.4.16 // indirect
	github.com/go-playground/locales v0.14.2 // indirect
	github.com/go-playground/universal-translator v0.18.2 // indirect
	github.com/leodido/go-urn v1.5.0 // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/exp v0.0.0-20231006140011-7918f672742d // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/cardseal/cardseal => ../..
