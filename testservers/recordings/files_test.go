package recordings

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	_ "gocloud.dev/gcerrors" // keeps the module in go.mod
)

// recording is the path of one of gocloud.dev's recordings.
func recording(t *testing.T, elem ...string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "gocloud.dev").Output()
	require.NoError(t, err)
	dir := strings.TrimSpace(string(out))
	require.NotEmpty(t, dir)
	return filepath.Join(append([]string{dir, "secrets"}, elem...)...)
}

// awsFiles and googleFiles are all there are, by the tests that made them.
var (
	awsFiles = []string{
		"TestConformance/TestEncryptDecrypt",
		"TestConformance/TestMultipleEncryptionsNotEqual",
		"TestConformance/TestMultipleKeys",
		"TestConformance/TestDecryptMalformedError",
		"TestConformance/TestAs/verify_As_function",
	}
	googleFiles = append(awsFiles[:len(awsFiles):len(awsFiles)], "TestAdditionalAuthenticatedData")
)
