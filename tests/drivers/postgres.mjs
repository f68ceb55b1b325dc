// Logs in with postgres.js at the URL given, and says what the server tells of the session. It reads no sslrootcert.
import fs from "node:fs";
import postgres from "postgres";

const url = new URL(process.argv[2]);
const file = url.searchParams.get("sslrootcert");
const options = file ? { ssl: { ca: fs.readFileSync(file) } } : {};
url.searchParams.delete("sslrootcert");
const sql = postgres(url.href, { ...options, max: 1 });
try {
	const [row] = await sql`SELECT version, current_setting('server_version_num') AS server FROM pg_stat_ssl WHERE pid = pg_backend_pid()`;
	console.log(`${row.version} ${row.server}`);
	await sql.end();
} catch (error) {
	console.error(error.message);
	process.exit(1);
}
