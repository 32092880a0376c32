package doctor

import (
	"context"
	"strings"
	"time"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/kekcheck"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
)

// kmsTime is how long a KMS may take to show that it serves.
const kmsTime = 5 * time.Second

// services are what the schemes of URIs stand for.
var services = map[string]string{
	"aws-kms": "AWS KMS", "gcp-kms": "Google Cloud KMS", "hcvault": "Vault Transit",
}

// kms tries a key in a KMS and returns its ID, "" where it was not opened.
func (c *checkup) kms(ctx context.Context, subject, uri string, open vaultdir.OpenKEK) (id string) {
	ctx, cancel := context.WithTimeout(ctx, kmsTime)
	defer cancel()
	scheme, _, _ := strings.Cut(uri, ":")
	k, err := open(ctx, uri)
	if err != nil {
		c.say(Fail, subject, "the key in %s cannot be opened: %s", services[scheme], words(err))
		return ""
	}
	defer k.Close()
	c.say(OK, subject, "%s guards the data keys under %s", services[scheme], k.ID())
	if checker, ok := k.(keys.Checker); ok {
		if err := checker.Check(ctx); err != nil {
			c.say(Fail, subject, "%s", words(err))
		} else {
			c.say(OK, subject, "%s answers; the key wraps and unwraps", services[scheme])
		}
	}
	return k.ID()
}

func words(err error) string {
	if text, ok := kekcheck.Words(err); ok {
		return text
	}
	return "it does not serve: cardseal kek check says more"
}
