package account

// dictionary1 is what packed entries lean on: what mail's header fields, and the frame of
// entries and summaries, have in common, the commonest last. It never changes, for entries
// in journals can't be read without it. A better one gets a number of its own.
const dictionary1 = "" +
	"X-Universally-Unique-Identifier: \r\nX-Uniform-Type-Identifier: com.apple.mail-draft\r\n" +
	"X-Draft-Info: \r\nReturn-Receipt-To: \r\nDisposition-Notification-To: \r\n" +
	"Mail-Followup-To: \r\nSensitivity: company-confidential\r\nX-Spam-Flag: YES\r\n" +
	"X-Label: \r\nChat-Version: 1.0\r\n" +
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document spreadsheetml.sheet presentationml.pre" +
	"sentation application/octet-stream application/zip image/gif image/heic audio/mpeg video/mp4 video/quicktime t" +
	"ext/calendar; method=REQUEST; text/csv message/rfc822 message/delivery-status multipart/report; report-type=de" +
	"livery-status; multipart/signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\"; application/pkcs7-si" +
	"gnature smime.p7s signature.asc OpenPGP_signature.asc multipart/encrypted " +
	"JanFebMarAprMayJunJulAugSepOctNovDec windows-1252 iso-8859-1 iso-8859-15 koi8-r gb2312 iso-2022-jp " +
	"You received this message because you are subscribed to the View this email in your browser If you no longer w" +
	"ish to receive these emails, unsubscribe here. Please do not reply to this email. Thank you for your order Hel" +
	"lo Dear Hi Kind regards, Best regards, Thanks, Sent from my iPhone " +
	"Delivery Status Notification (Failure) Undelivered Mail Returned to Sender MAILER-DAEMON Mail Delivery Subsyst" +
	"em Auto-Submitted: auto-replied\r\nAuto-Submitted: auto-generated\r\n" +
	"Precedence: list\r\nPrecedence: bulk\r\nX-MSMail-Priority: Normal\r\n" +
	"X-Priority: 3\r\nX-Priority: 1 (Highest)\r\nImportance: high\r\nImportance: Normal\r\n" +
	"Authentication-Results: mx; spf=pass smtp.mailfrom=; dkim=pass header.d= header.i=@ header.s= header.b=; dmarc" +
	"=pass (p=NONE sp=QUARANTINE dis=NONE) header.from=\r\n" +
	"Sender: \r\nReply-To: noreply@ no-reply@ info@ support@ hello@ newsletter@ notifications@ bounces@ \r\n" +
	"List-Help: <mailto:-request@?subject=help>\r\nList-Subscribe: <https:///mailman/listinfo/>,\r\n" +
	" <mailto:?subject=subscribe>\r\nList-Post: <mailto:\r\nList-ID: <.list-id.\r\n" +
	"List-Id: <.lists.\r\nList-Unsubscribe: <https://www.\r\n/unsubscribe?u=&id=&e=>, <mailto:unsubscribe@?subject=unsubscribe>\r\n" +
	"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" +
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=; t=1764000000;\r\n" +
	"\th=From:Date:Subject:Message-ID:Content-Type:MIME-Version:X-MS-Exchange-SenderADCheck;\r\n" +
	"\th=Content-Type:From:To:Subject:MIME-Version:Date:Message-ID:Feedback-ID;\r\n" +
	"\th=Date:From:Reply-To:To:Message-ID:Subject:MIME-Version:Content-Type:\r\n" +
	"\t List-Unsubscribe:List-Unsubscribe-Post:List-ID;\r\n h=content-transfer-encoding:to:subject:message-id:date:fro" +
	"m:in-reply-to:references:mime-version:from:to:cc:subject:date:message-id:reply-to;\r\n" +
	" x=1765000000; darn=; q=dns/txt; i=@; s=selector1;\r\n s=k1; s=s1; s=google; s=20230601; s=default; s=mail; a=ed" +
	"25519-sha256; c=relaxed/relaxed; d=; s=2024; t=17\r\n\tbh==;\r\n\tb=\r\n" +
	"        bh==;\r\n        b=" +
	"Thread-Topic: \r\nThread-Index: AQHa==\r\nAccept-Language: en-US\r\n" +
	"Content-Language: en-US\r\n.com>\r\n.net>\r\n.org>\r\n@mail.\r\n.prod.CAKf5G6 CAF CAB CAG CAH= CAJ= \r\n" +
	"References: <\r\nIn-Reply-To: <\r\nCc: \r\nCC: \r\nSubject: Re: RE: Fwd: FW: AW: [ =?UTF-8?Q? =?UTF-8?B? =?utf-8?q? =?utf-8?B? ?=\r\n" +
	"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: 8bit\r\n" +
	"Content-Transfer-Encoding: base64\r\nContent-Type: text/html; charset=\"utf-8\"\r\n" +
	"Content-Type: text/plain; charset=us-ascii; format=flowed; delsp=yes\r\n" +
	"Content-Type: text/plain; charset=\"UTF-8\"\r\nContent-Type: multipart/related; boundary=\"; type=\"text/html\"\r\n" +
	"Content-Type: multipart/mixed;\r\n\tboundary=\"_004_\r\nContent-Type: multipart/mixed; boundary=\"000000000000\r\n" +
	"Content-Type: multipart/alternative;\r\n boundary=\"----=_Part_\"\r\n" +
	"Content-Type: multipart/alternative; boundary=\"=_\"\r\nContent-Transfer-Encoding: quoted-printable\r\n" +
	"Mime-Version: 1.0\r\nMessage-Id: <Message-ID: <2026\r\nFrom: \"\r\nTo: \"Subject: \r\n" +
	"Date: Mon, 2 Date: Tue, 1 Date: Wed, Thu, Fri, Sat, Sun,  2026 2027 +0000\r\n" +
	" -0800 (PST)\r\n+0100\r\n+0200\r\n -0500 (GMT) (UTC)\r\nDate: " +
	"\x01Gmessage\x02Frfc822\x01Kapplication\x02Loctet-stream\x02Cpdf\x02Czip\x01Eimage\x02Cpng\x02Djpeg\x03\x81\xa2\x01Dname\x02\x04Fbase64\x05A<\x07Finline\x07Jattachm" +
	"ent\x08\x81\xa2\x01Hfilename\x02Jpicture.jpg.pdf.docx.xlsx.png\x0c\x19\r\x18\x0e\x19\x0f\x19" +
	"\xa7\x01Imultipart\x02Grelated\x03\x82\xa2\x01Hboundary\x02X\xa2\x01Dtype\x02Itext/html\x02Freport\x02Fsigned" +
	"\x05\xa5\x01Dtext\x02Eplain\x03\x82\xa2\x01Gcharset\x02Hus-ascii\xa2\x01Fformat\x02Fflowed\xa2\x01Edelsp\x02Cyes\xa2\x01Gcharset\x02Jiso-8859-1\x03\x81\xa2\x01Gcharset\x02Eutf-8\x04F" +
	"8bitDbase64" +
	"\x05\xa6\x01Imultipart\x02Emixed\x03\x81\xa2\x01Hboundary\x02X\x1c\r\x19\x0e\x19\x0f\x18\x10\x82" +
	"\xa7\x01Imultipart\x02Kalternative\x03\x81\xa2\x01Hboundary\x02X\x1c000000000000\x0c\x19\r\x18\x0e\x19\x0f\x18\x10\x82" +
	"\xa8\x01Dtext\x02Eplain\x03\x81\xa2\x01Gcharset\x02EUTF-8\x04Pquoted-printable\x0c\x19\r\x18\x0e\x19\x0f\x18\xa8\x01Dtext\x02Dhtml\x03\x81\xa2\x01Gcharset\x02EUTF-8\x04Pquoted-printable\x0c" +
	"\x19\r\x18\x0e\x19\x0f\x18\x06X" +
	"\xa9\x01\x01\x02\x01\x03\x01\x04\x19\x05\x1b\x00\x00\x01\xa2\x06x!do-\x07\xa3\x01x\x1a\x02dimap\x03fimap-\x08\x81\xa1\x05\xa4\x01\x01\x02\x81\x82\x01\x01\x03\x01\x04\x01\n\xa3\x01\xa3\x01\x02\x1a\x03\x06\x02\x90\x82" +
	"\xa9\x01\x01\x02\x01\x03\x01\x04\x19\x05\x1b\x00\x00\x01\xa2\x06x\"deliver-\x07\xa3\x01fsystem\x02jsubmission\x03x\x1a\x08\x81\xa1\x02\xa6\x01\x01\x02\xa3\x01X\xf4Return-Path: <bounce@\r\n" +
	"Delivered-To: \r\nReceived: from mail- ([\r\n\tby mx. with ESMTPS id \r\n" +
	"\tfor <>;\r\n\tMon, Tue, Wed, Thu, Fri, Sat, Sun,  2026  +0000\r\n\x02\xa3\x01x0m//202611\x02\x18/\x03\x19\x04Y\x07\x01\xa7\x01\x19\x02\x18\x03\x19\x04Y\x05" +
	"\x05\x1b\x00\x00\x01\xa2\x06qe\x07qt\x08L\n\xa3\x01\xa3\x01\x19\x02\x1a\x00\x03\x06\x02\x90\x82\x18L\x82\x18L\x82\x19\x01L\x82\x19\x02L\x03\x18"
