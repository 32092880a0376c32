package code

import (
	"context"

	"github.com/cardseal/cardseal/tokenize"
)

// Authorized says that the payment was authorized, or will not be: the owner's code
// for the card is erased at once, through whichever of its tokens it was put. One that
// is not there any more is no error. Of a deleted token the card is not known: what is
// erased then is what was put through that token, for whichever owner, and a code that
// was put through another token of the card stays until one that lives is named. An
// issuer's codes are not erased so. The caller needs tokenize.MaySaveCode.
func (s *Codes) Authorized(ctx context.Context, c tokenize.Caller, o Owner, token string) error {
	return one(s.AuthorizedBatch(ctx, c, []Ref{{o, token}}))
}

// AuthorizedBatch is Authorized for many. The i-th error, where not nil, says why the
// i-th code may still be there; with an error besides all may be.
func (s *Codes) AuthorizedBatch(ctx context.Context, c tokenize.Caller, refs []Ref) ([]*tokenize.Error, error) {
	w, err := s.start(ctx, c, tokenize.CodeErase, len(refs), func(i int) Ref { return refs[i] })
	if err != nil {
		return nil, err
	}
	if !s.kept.owners {
		return nil, w.failed(ctx, invalid("policy", tokenize.Unsupported, "keeps codes as the issuer, whatever is authorized"))
	}
	for i := range w.targets {
		switch t := &w.targets[i]; {
		case t.err != nil:
		case t.id.Card == [32]byte{}: // deleted, perhaps where its codes could not be erased
			t.err = s.kept.store.EraseToken(ctx, s.kept.scope, t.subject.Token)
		default:
			t.err = s.kept.store.EraseCode(ctx, t.id)
		}
	}
	return w.errs(ctx)
}
