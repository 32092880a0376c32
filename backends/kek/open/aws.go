package open

import (
	"context"
	"net"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go/logging"

	"github.com/cardseal/cardseal/backends/kek/awskms"
)

func openAWS(ctx context.Context, arn string, o *Options) (KEK, error) {
	region, err := parseARN(arn)
	if err != nil {
		return nil, err
	}
	var cfg aws.Config
	if o.AWS != nil {
		cfg = o.AWS.Copy()
	} else if cfg, err = config.LoadDefaultConfig(ctx, config.WithRegion(region), config.WithLogger(logging.Nop{})); err != nil {
		return nil, configError("AWS configuration: %w", err)
	}
	cfg.Region = region
	if err := secureEndpoint(cfg); err != nil {
		return nil, err
	}
	k, err := awskms.New(ctx, cfg, arn, &awskms.Options{GrantTokens: o.GrantTokens})
	if err != nil {
		return nil, ofBackend(err)
	}
	return k, nil
}

// secureEndpoint refuses to send data keys over a network in clear. AWS KMS itself
// is reached by TLS alone; a variable or a shared file may name another endpoint.
func secureEndpoint(cfg aws.Config) error {
	endpoint := kms.NewFromConfig(cfg).Options().BaseEndpoint
	if endpoint == nil {
		return nil
	}
	u, err := url.Parse(*endpoint)
	if err != nil {
		return configError("the endpoint of AWS KMS is not a URL")
	}
	if u.Scheme == "https" || loopback(u.Hostname()) {
		return nil
	}
	return configError("the endpoint of AWS KMS has no TLS, which only one on loopback may lack")
}

// loopback reports a host on this machine, by what it is called: a name that is
// looked up may lead elsewhere.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// parseARN returns the region of a key's or an alias's ARN:
// arn:PARTITION:kms:REGION:ACCOUNT:key/ID, or alias/NAME at its end.
func parseARN(arn string) (region string, err error) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 || part[0] != "arn" {
		return "", &URIError{"ARN", "must have the form arn:aws:kms:REGION:ACCOUNT:key/ID"}
	}
	switch {
	case part[1] != "aws" && !strings.HasPrefix(part[1], "aws-") || !label(part[1], 32):
		return "", &URIError{"partition", "must be aws, or one that begins with aws-"}
	case part[2] != "kms":
		return "", &URIError{"service", "must be kms"}
	case !label(part[3], 32):
		return "", &URIError{"region", "must be the name of a region, such as eu-central-1"}
	case len(part[4]) != 12 || !only(part[4], digits):
		return "", &URIError{"account", "must be 12 digits"}
	}
	kind, name, _ := strings.Cut(part[5], "/")
	switch {
	case kind == "key" && len(name) <= 256 && name != "" && only(name, lower+upper+digits+"-"):
	case kind == "alias" && len(name) <= 256-len("alias/") && name != "" && only(name, lower+upper+digits+"/_-"):
	default:
		return "", &URIError{"resource", "must be key/ID or alias/NAME"}
	}
	return part[3], nil
}

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

// only reports whether text has no other characters than those of set.
func only(text, set string) bool { return strings.Trim(text, set) == "" }

// label reports a name of lower-case letters, digits and inner hyphens.
func label(s string, most int) bool {
	return s != "" && len(s) <= most && only(s, lower+digits+"-") && s[0] != '-' && s[len(s)-1] != '-'
}
